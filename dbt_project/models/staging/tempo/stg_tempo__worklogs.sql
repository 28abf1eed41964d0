with source as (
    select * from {{ source('tempo', 'worklogs') }}
),

renamed as (
    select
        ---------- ids
        id as worklog_id,
        issue_id,
        author_id,
        site,
        sync_id,

        ---------- text
        start_time,
        work_month,
        description as worklog_description,
        account_key,

        ---------- documents
        attributes,

        ---------- numbers
        time_spent_seconds,
        billable_seconds,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- dates
        start_date,

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
