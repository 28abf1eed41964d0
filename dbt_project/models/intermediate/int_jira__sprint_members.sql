-- A sub-task follows its parent: an issue is in a sprint for as long as it is none.
with stays as (
    select
        sprint_spans.sprint_id,
        sprint_spans.issue_id,
        greatest(sprint_spans.valid_from, tasks.valid_from) as valid_from,
        least(sprint_spans.valid_to, tasks.valid_to) as valid_to,
        if(tasks.valid_from > sprint_spans.valid_from, tasks.changed_by, sprint_spans.joined_by) as joined_by,
        if(
            tasks.valid_to < coalesce(sprint_spans.valid_to, 'infinity'), tasks.ended_by, sprint_spans.left_by
        ) as left_by
    from {{ ref('int_jira__sprint_spans') }} as sprint_spans
    inner join {{ ref('int_jira__task_spans') }} as tasks
        on tasks.issue_id = sprint_spans.issue_id
        and tasks.valid_from < coalesce(sprint_spans.valid_to, 'infinity')
        and sprint_spans.valid_from < coalesce(tasks.valid_to, 'infinity')
),

memberships as (
    select
        windows.sprint_id,
        stays.issue_id,
        windows.started_at,
        windows.ended_at,
        windows.estimation_field_id,
        stays.valid_from as joined_at,
        -- Null for an issue that was in the sprint when it ended.
        case when stays.valid_to <= windows.ended_at then stays.valid_to end as left_at,
        -- The last instant of the stay inside the sprint; what changed at the instant of leaving came too late.
        case
            when stays.valid_to <= windows.ended_at then stays.valid_to - interval 1 microsecond
            else windows.ended_at
        end as last_at,
        stays.valid_from <= windows.started_at as was_in_at_start,
        stays.joined_by,
        case when stays.valid_to <= windows.ended_at then stays.left_by end as left_by
    from {{ ref('int_jira__sprint_windows') }} as windows
    inner join stays
        on stays.sprint_id = windows.sprint_id
        and stays.valid_from <= windows.ended_at
        and windows.started_at < coalesce(stays.valid_to, 'infinity')
)

select
    memberships.*,
    memberships.was_in_at_start and done_at_start.valid_from is not null as was_done_at_start,
    done_at_start.valid_to as reopened_at,
    done_at_start.reopened_by,
    done_at_end.valid_from as done_since,
    last_estimate.estimate as last_estimate,
    last_status.status_id as last_status_id
from memberships
left join {{ ref('int_jira__sprint_done_spans') }} as done_at_start
    on done_at_start.sprint_id = memberships.sprint_id
    and done_at_start.issue_id = memberships.issue_id
    and {{ holds_at('done_at_start', 'memberships.started_at') }}
left join {{ ref('int_jira__sprint_done_spans') }} as done_at_end
    on done_at_end.sprint_id = memberships.sprint_id
    and done_at_end.issue_id = memberships.issue_id
    and {{ holds_at('done_at_end', 'memberships.last_at') }}
left join {{ ref('int_jira__estimate_spans') }} as last_estimate
    on last_estimate.issue_id = memberships.issue_id
    and last_estimate.field_id = memberships.estimation_field_id
    and {{ holds_at('last_estimate', 'memberships.last_at') }}
left join {{ ref('int_jira__status_spans') }} as last_status
    on last_status.issue_id = memberships.issue_id
    and {{ holds_at('last_status', 'memberships.last_at') }}
