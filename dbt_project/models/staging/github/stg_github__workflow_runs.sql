with source as (
    select * from {{ source('github', 'workflow_runs') }}
),

renamed as (
    select
        ---------- ids
        id as run_id,
        repository_id,
        workflow_id,
        head_sha,
        site,
        sync_id,

        ---------- text
        name as workflow_name,
        event as trigger_event,
        status as run_status,
        conclusion,
        head_branch,
        actor,

        ---------- numbers
        run_number,
        run_attempt,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        started_at,
        updated_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
