with clock as (
    select as_of from {{ ref('int_jira__now') }}
),

fields as (
    select * from {{ ref('int_risk__field_spans') }}
),

periods as (
    select
        nobody.issue_id,
        priorities.value as priority,
        greatest(nobody.valid_from, priorities.valid_from, open_work.valid_from) as valid_from,
        least(nobody.valid_to, priorities.valid_to, open_work.valid_to) as valid_to
    from fields as nobody
    inner join fields as priorities on priorities.issue_id = nobody.issue_id and priorities.kind = 'priority'
    inner join {{ ref('int_risk__open_work') }} as open_work on open_work.issue_id = nobody.issue_id
    where nobody.kind = 'assignee'
        and nobody.value is null
        and lower(priorities.value) in (select unnest({{ risk_words('risk_high_priorities') }}))
),

numbered as (
    {{ with_episodes("(select * from periods where valid_from < coalesce(valid_to, 'infinity'))", 'issue_id') }}
),

episodes as (
    select
        issue_id,
        arg_max(priority, valid_from) as priority,
        min(valid_from) as unassigned_from,
        {{ last_end('valid_to') }} as closed_at
    from numbered
    group by issue_id, episode
),

measured as (
    select
        episodes.*,
        clock.as_of,
        {{ after_working_hours('episodes.unassigned_from', risk_limit('unassigned', 'opens')) }} as first_seen_at,
        {{ working_hours_between('episodes.unassigned_from', 'coalesce(episodes.closed_at, clock.as_of)') }} as value
    from episodes
    cross join clock
)

select
    'unassigned' as kind,
    'issue' as subject_kind,
    issue_id as subject_id,
    'jira' as source,
    first_seen_at,
    closed_at,
    as_of,
    value,
    cast({{ risk_limit('unassigned', 'opens') }} as double) as threshold,
    cast({{ risk_limit('unassigned', 'urgent') }} as double) as urgent,
    'working hours' as unit,
    'of priority ' || priority || ' and assigned to nobody for ' || {{ counted('value', 'working hour') }} as what,
    cast([] as varchar[]) as ids,
    cast([] as varchar[]) as links
from measured
where first_seen_at < coalesce(closed_at, 'infinity') and first_seen_at <= as_of
