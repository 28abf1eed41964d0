with issues as (
    select * from {{ ref('stg_jira__issues') }}
),

users as (
    select * from {{ ref('stg_jira__users') }}
),

memberships as (
    select
        issue_id,
        count(distinct sprint_id) as sprint_count,
        arg_max(sprint_id, (valid_from, try_cast(sprint_id as hugeint))) filter (where valid_to is null) as sprint_id
    from {{ ref('int_jira__sprint_spans') }}
    group by issue_id
)

select
    ---------- ids
    issues.issue_id,
    issues.issue_key,
    issues.project_id,
    issues.project_key,
    issues.parent_id,
    issues.epic_key,
    memberships.sprint_id,

    ---------- text
    issues.issue_type,
    issues.summary,
    issues.status_name,
    issues.status_category,
    issues.priority,
    issues.resolution,
    assignees.display_name as assignee,
    reporters.display_name as reporter,

    ---------- numbers
    estimates.estimate as points,
    estimation.estimation_field_id,
    coalesce(memberships.sprint_count, 0) as sprint_count,
    issues.time_spent_seconds,
    issues.comment_total,

    ---------- flags
    coalesce(issues.is_subtask, false) as is_subtask,
    issues.is_deleted,
    issues.unreachable_since is not null as is_unreachable,

    ---------- timestamps
    issues.created_at,
    issues.updated_at,
    issues.resolved_at,
    issues.due_date,
    issues.deleted_at,
    issues.extracted_at
from issues
left join memberships using (issue_id)
left join users as assignees on assignees.user_id = issues.assignee_id
left join users as reporters on reporters.user_id = issues.reporter_id
left join {{ ref('int_jira__project_estimation') }} as estimation using (project_id)
left join {{ ref('int_jira__estimate_spans') }} as estimates
    on estimates.issue_id = issues.issue_id
    and estimates.field_id = estimation.estimation_field_id
    and estimates.valid_to is null
