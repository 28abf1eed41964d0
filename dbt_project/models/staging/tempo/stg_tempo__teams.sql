with source as (
    select * from {{ source('tempo', 'teams') }}
),

renamed as (
    select
        ---------- ids
        id as team_id,
        lead_id,
        program_id,
        site,
        sync_id,

        ---------- text
        name as team_name,
        summary,
        program_name,

        ---------- flags
        is_administrative,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
