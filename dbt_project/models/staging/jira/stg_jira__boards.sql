with source as (
    select * from {{ source('jira', 'boards') }}
),

renamed as (
    select
        ---------- ids
        id as board_id,
        project_id,
        estimation_field_id,
        site,
        sync_id,

        ---------- text
        name as board_name,
        type as board_type,
        estimation_type,
        estimation_field_name,

        ---------- documents
        columns,
        done_status_ids,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
