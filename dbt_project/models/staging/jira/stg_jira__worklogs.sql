with source as (
    select * from {{ source('jira', 'worklogs') }}
),

renamed as (
    select
        ---------- ids
        id as worklog_id,
        issue_id,
        author_id,
        site,
        sync_id,

        ---------- numbers
        time_spent_seconds,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        started_at,
        created_at,
        updated_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
