with source as (
    select * from {{ source('jira', 'versions') }}
),

renamed as (
    select
        ---------- ids
        id as version_id,
        project_id,
        site,
        sync_id,

        ---------- text
        name as version_name,

        ---------- flags
        is_released,
        is_archived,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        start_date,
        release_date,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
