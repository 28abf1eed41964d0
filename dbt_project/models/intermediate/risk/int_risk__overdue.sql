with clock as (
    select as_of from {{ ref('int_jira__now') }}
),

due as (
    select
        issue_id,
        try_cast(value as date) as due_date,
        valid_from,
        valid_to
    from {{ ref('int_risk__field_spans') }}
    where kind = 'due'
),

periods as (
    select
        due.issue_id,
        due.due_date,
        greatest(
            due.valid_from,
            open_work.valid_from,
            -- The day is over at midnight of the configured zone.
            timezone('{{ timezone() }}', cast(due.due_date + {{ risk_limit('overdue', 'opens') }} as timestamp))
        ) as valid_from,
        least(due.valid_to, open_work.valid_to) as valid_to
    from due
    inner join {{ ref('int_risk__open_work') }} as open_work using (issue_id)
    where due.due_date is not null
),

begun as (
    select periods.*
    from periods
    cross join clock
    where periods.valid_from < coalesce(periods.valid_to, 'infinity') and periods.valid_from <= clock.as_of
),

numbered as (
    {{ with_episodes('begun', 'issue_id') }}
),

episodes as (
    select
        issue_id,
        arg_max(due_date, valid_from) as due_date,
        min(valid_from) as first_seen_at,
        {{ last_end('valid_to') }} as closed_at
    from numbered
    group by issue_id, episode
),

measured as (
    select
        episodes.*,
        clock.as_of,
        date_diff(
            'day', episodes.due_date, cast({{ local_time('coalesce(episodes.closed_at, clock.as_of)') }} as date)
        ) as value
    from episodes
    cross join clock
)

select
    'overdue' as kind,
    'issue' as subject_kind,
    issue_id as subject_id,
    'jira' as source,
    first_seen_at,
    closed_at,
    as_of,
    cast(value as double) as value,
    cast({{ risk_limit('overdue', 'opens') }} as double) as threshold,
    cast({{ risk_limit('overdue', 'urgent') }} as double) as urgent,
    'days' as unit,
    {{ counted('value', 'day') }} || ' past its due date, ' || due_date as what,
    cast([] as varchar[]) as ids,
    cast([] as varchar[]) as links
from measured
