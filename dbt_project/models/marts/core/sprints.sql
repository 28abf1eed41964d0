with memberships as (
    select sprint_spans.sprint_id, count(*) as issues_now
    from {{ ref('int_jira__sprint_spans') }} as sprint_spans
    inner join {{ ref('stg_jira__issues') }} as issues using (issue_id)
    where sprint_spans.valid_to is null and not coalesce(issues.is_subtask, false)
    group by sprint_spans.sprint_id
)

select
    sprints.sprint_id,
    sprints.sprint_name,
    sprints.board_id,
    rules.board_name,
    sprints.sprint_state as state,
    sprints.goal,
    rules.estimation_field_id,
    rules.estimation_field,
    rules.done_rule,
    coalesce(memberships.issues_now, 0) as issues_now,
    sprints.is_deleted,
    sprints.created_at,
    sprints.start_at as started_at,
    sprints.end_at as planned_end_at,
    sprints.complete_at as completed_at,
    sprints.extracted_at
from {{ ref('stg_jira__sprints') }} as sprints
inner join {{ ref('int_jira__sprint_rules') }} as rules using (sprint_id)
left join memberships using (sprint_id)
