with windows as (
    select * from {{ ref('int_jira__sprint_windows') }}
),

scope as (
    select *, kind = 'committed' as is_committed, kind in ('added', 'reopened') as is_added, not is_final as is_removed
    from {{ ref('int_jira__sprint_scope') }}
),

scope_totals as (
    select
        sprint_id,
        {{ points_and_issues('committed', 'is_committed', 'first_estimate') }},
        {{ points_and_issues('added', 'is_added', 'first_estimate') }},
        {{ points_and_issues('removed', 'is_removed', 'last_estimate') }},
        {{ points_and_issues('final', 'is_final', 'last_estimate') }},
        {{ points_and_issues('completed', 'is_completed', 'last_estimate') }},
        {{ points_and_issues('done_then_removed', 'is_done_then_removed', 'last_estimate') }},
        {{ points_and_issues('unfinished', 'is_unfinished', 'last_estimate') }},
        {{ points_and_issues('carryover', 'is_carried_over', 'last_estimate') }},
        {{ points_and_issues('reopened_since_close', 'is_reopened_since_close', 'last_estimate') }},
        count(*) filter (where is_final and last_estimate is null) as unestimated_issues,
        count(*) filter (where is_committed and first_estimate is null) as unestimated_committed_issues,
        count(*) filter (where is_unmapped) as unmapped_status_issues
    from scope
    group by sprint_id
),

reestimate_totals as (
    select
        sprint_id,
        sum(coalesce(points_after, 0) - coalesce(points_before, 0)) as reestimated_points,
        count(distinct issue_id) as reestimated_issues
    from {{ ref('int_jira__sprint_reestimates') }}
    group by sprint_id
),

-- Committed and completed, even when it left and came back in between.
completed_committed_totals as (
    select
        committed.sprint_id,
        {{ points_and_issues('completed_committed', 'true', 'committed.first_estimate') }}
    from scope as committed
    where committed.is_committed
        and exists (
            select 1
            from scope as completed
            where completed.sprint_id = committed.sprint_id
                and completed.issue_id = committed.issue_id
                and completed.is_completed
        )
    group by committed.sprint_id
),

completed_outside_totals as (
    select
        sprint_id,
        {{ points_and_issues('completed_outside', 'true', 'last_estimate') }}
    from {{ ref('int_jira__sprint_members') }}
    where left_at is null and done_since <= started_at
    group by sprint_id
)

select
    sprints.sprint_id,
    sprints.sprint_name,
    sprints.board_id,
    rules.board_name,
    sprints.sprint_state as state,
    sprints.is_deleted,
    windows.started_at,
    sprints.end_at as planned_end_at,
    sprints.complete_at as completed_at,
    rules.estimation_field_id,
    rules.estimation_field,
    rules.done_rule,
    {% for measure in ['committed', 'added', 'removed', 'reestimated', 'final', 'completed', 'completed_committed',
        'completed_outside', 'done_then_removed', 'unfinished', 'carryover'] %}
    {{ points_or_null(measure ~ '_points') }},
    coalesce({{ measure }}_issues, 0) as {{ measure }}_issues,
    {% endfor %}
    coalesce(unestimated_issues, 0) as unestimated_issues,
    coalesce(unestimated_committed_issues, 0) as unestimated_committed_issues,
    coalesce(unmapped_status_issues, 0) as unmapped_status_issues,
    {{ ratio('completed_committed_points', 'committed_points') }} as say_do_ratio,
    {{ ratio('completed_committed_issues', 'committed_issues') }} as say_do_issue_ratio,
    {{ ratio('completed_points', 'committed_points') }} as throughput_ratio,
    coalesce(reopened_since_close_issues, 0) as reopened_since_close_issues,
    {{ points_or_null('reopened_since_close_points') }}
from windows
inner join {{ ref('stg_jira__sprints') }} as sprints using (sprint_id)
inner join {{ ref('int_jira__sprint_rules') }} as rules using (sprint_id)
left join scope_totals using (sprint_id)
left join reestimate_totals using (sprint_id)
left join completed_committed_totals using (sprint_id)
left join completed_outside_totals using (sprint_id)
