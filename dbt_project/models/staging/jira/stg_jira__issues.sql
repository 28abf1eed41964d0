with source as (
    select * from {{ source('jira', 'issues') }}
),

renamed as (
    select
        ---------- ids
        id as issue_id,
        key as issue_key,
        project_id,
        project_key,
        parent_id,
        status_id,
        assignee_id,
        reporter_id,
        creator_id,
        site,
        sync_id,

        ---------- text
        issue_type,
        epic_key,
        summary,
        status_name,
        -- What Jira calls No Category is work that nobody began.
        if(status_category = 'undefined', 'new', status_category) as status_category,
        priority,
        resolution,

        ---------- documents
        labels,
        sprint_ids,
        estimates,
        payload -> 'fields' as fields,

        ---------- numbers
        time_spent_seconds,
        change_total,
        comment_total,

        ---------- flags
        is_subtask,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        resolved_at,
        created_at,
        updated_at,
        due_date,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
