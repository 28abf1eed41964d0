with source as (
    select * from {{ source('fireflies', 'action_items') }}
),

renamed as (
    select
        ---------- ids
        id as action_item_id,
        transcript_id,
        site,
        sync_id,

        ---------- text
        person,
        text as item_text,

        ---------- numbers
        number as item_number,
        at_seconds,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
