with source as (
    select * from {{ source('jira', 'projects') }}
),

renamed as (
    select
        ---------- ids
        id as project_id,
        key as project_key,
        site,
        sync_id,

        ---------- text
        name as project_name,
        type as project_type,
        style,

        ---------- numbers
        issue_total,

        ---------- flags
        is_archived,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        last_issue_updated_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
