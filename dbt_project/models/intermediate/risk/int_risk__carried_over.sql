with clock as (
    select as_of from {{ ref('int_jira__now') }}
),

-- Where it was left undone, by the rule of the sprint, since it was last done or created.
closes as (
    select
        scope.issue_id,
        open_work.valid_from,
        open_work.valid_to,
        windows.sprint_id,
        windows.sprint_name,
        windows.ended_at,
        row_number() over (
            partition by scope.issue_id, open_work.valid_from
            order by windows.ended_at, windows.sprint_id
        ) as place
    from {{ ref('int_jira__sprint_scope') }} as scope
    inner join {{ ref('int_jira__sprint_windows') }} as windows using (sprint_id)
    inner join {{ ref('stg_jira__sprints') }} as sprints using (sprint_id)
    inner join {{ ref('int_risk__open_work') }} as open_work
        on open_work.issue_id = scope.issue_id
        and {{ holds_at('open_work', 'windows.ended_at') }}
    where scope.is_unfinished and windows.sprint_state = 'closed' and not sprints.is_deleted
),

carried as (
    select
        issue_id,
        min(ended_at) filter (where place = {{ risk_limit('carried_over', 'opens') }}) as first_seen_at,
        any_value(valid_to) as closed_at,
        count(*) as value,
        list(sprint_name order by place) as sprint_names,
        list('sprint:' || sprint_id order by place) as ids
    from closes
    group by issue_id, valid_from
    having count(*) >= {{ risk_limit('carried_over', 'opens') }}
)

select
    'carried_over' as kind,
    'issue' as subject_kind,
    carried.issue_id as subject_id,
    'jira' as source,
    carried.first_seen_at,
    carried.closed_at,
    clock.as_of,
    cast(carried.value as double) as value,
    cast({{ risk_limit('carried_over', 'opens') }} as double) as threshold,
    cast({{ risk_limit('carried_over', 'urgent') }} as double) as urgent,
    'sprints' as unit,
    'not done at the end of ' || {{ counted('carried.value', 'sprint') }} || ': '
    || array_to_string(carried.sprint_names, ', ') as what,
    carried.ids,
    cast([] as varchar[]) as links
from carried
cross join clock
