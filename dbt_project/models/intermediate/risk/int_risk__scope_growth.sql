-- In points where the sprint had any at its start, else in issues; a sprint without scope at its start has no share.
with windows as (
    select windows.*
    from {{ ref('int_jira__sprint_windows') }} as windows
    inner join {{ ref('stg_jira__sprints') }} as sprints using (sprint_id)
    where not sprints.is_deleted
        and {{ risk_is_kept("if(windows.sprint_state = 'closed', windows.ended_at, null)", 'windows.as_of') }}
),

steps as (
    select
        steps.sprint_id,
        steps.issue_id,
        steps.occurred_at,
        steps.change,
        if(windows.estimation_field_id is not null, steps.points, 0) as points,
        case steps.change when 'removed' then -1 when 'reestimated' then 0 else 1 end as issues
    from {{ ref('int_jira__scope_steps') }} as steps
    inner join windows using (sprint_id)
),

started_with as (
    select
        sprint_id,
        sum(points) as points,
        sum(issues) as issues
    from steps
    where change = 'committed'
    group by sprint_id
),

amounts as (
    select
        steps.sprint_id,
        steps.occurred_at,
        started_with.points > 0 as in_points,
        if(started_with.points > 0, started_with.points, started_with.issues) as at_start,
        sum(if(started_with.points > 0, steps.points, steps.issues)) as amount
    from steps
    inner join started_with using (sprint_id)
    group by all
),

running as (
    select
        amounts.*,
        sum(amounts.amount) over (partition by amounts.sprint_id order by amounts.occurred_at) as scope,
        lead(amounts.occurred_at, 1, if(windows.sprint_state = 'closed', windows.ended_at, null)) over (
            partition by amounts.sprint_id
            order by amounts.occurred_at
        ) as valid_to
    from amounts
    inner join windows using (sprint_id)
),

grown as (
    select
        sprint_id,
        in_points,
        at_start,
        scope,
        cast(scope - at_start as double) * 100 / cast(at_start as double) as growth,
        occurred_at as valid_from,
        valid_to
    from running
    where (scope - at_start) * 100 > at_start * {{ risk_limit('scope_growth', 'opens') }}
        and occurred_at < coalesce(valid_to, 'infinity')
),

numbered as (
    {{ with_episodes('grown', 'sprint_id') }}
),

episodes as (
    select
        sprint_id,
        any_value(in_points) as in_points,
        any_value(at_start) as at_start,
        arg_max(scope, valid_from) as scope,
        arg_max(growth, valid_from) as value,
        min(valid_from) as first_seen_at,
        {{ last_end('valid_to') }} as closed_at
    from numbered
    group by sprint_id, episode
),

additions as (
    select
        steps.sprint_id,
        list_sort(list_distinct(list('issue:' || issues.issue_key))) as ids,
        list_sort(list_distinct(list({{ issue_url('issues') }}))) as links
    from steps
    inner join {{ ref('stg_jira__issues') }} as issues using (issue_id)
    where steps.change <> 'committed' and (steps.points > 0 or steps.issues > 0)
    group by steps.sprint_id
)

select
    'scope_growth' as kind,
    'sprint' as subject_kind,
    episodes.sprint_id as subject_id,
    'jira' as source,
    episodes.first_seen_at,
    episodes.closed_at,
    windows.as_of,
    round(episodes.value, 6) as value,
    cast({{ risk_limit('scope_growth', 'opens') }} as double) as threshold,
    cast({{ risk_limit('scope_growth', 'urgent') }} as double) as urgent,
    'percent' as unit,
    'scope ' || {{ plain('episodes.value') }} || ' % above its start: ' || {{ plain('episodes.scope') }} || ' instead of '
    || {{ plain('episodes.at_start') }} || if(episodes.in_points, ' points', ' issues') as what,
    coalesce(additions.ids, []) as ids,
    coalesce(additions.links, []) as links
from episodes
inner join windows using (sprint_id)
left join additions using (sprint_id)
