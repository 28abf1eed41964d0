with source as (
    select * from {{ source('fireflies', 'attendees') }}
),

renamed as (
    select
        ---------- ids
        id as attendee_id,
        transcript_id,
        site,
        sync_id,

        ---------- text
        email,
        name as attendee_name,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
