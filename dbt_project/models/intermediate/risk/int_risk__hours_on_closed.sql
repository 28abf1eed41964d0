-- Only whole days count: hours of the day on which the issue was done, or reopened, may be of before or after.
with clock as (
    select as_of from {{ ref('int_jira__now') }}
),

done_spans as (
    select
        spans.issue_id,
        spans.done_from as valid_from,
        least(spans.valid_to, issues.deleted_at, issues.unreachable_since) as valid_to
    from {{ ref('int_jira__status_spans') }} as spans
    inner join {{ ref('stg_jira__issues') }} as issues using (issue_id)
    where spans.status_category = 'done'
        -- An issue without a history and without a resolution does not tell when it was finished.
        and (not spans.never_changed or spans.done_from > spans.valid_from)
),

numbered_done as (
    {{ with_episodes("(select * from done_spans where valid_from < coalesce(valid_to, 'infinity'))", 'issue_id') }}
),

done as (
    select issue_id, min(valid_from) as done_at, {{ last_end('valid_to') }} as reopened_at
    from numbered_done
    group by issue_id, episode
),

late as (
    select
        worklogs.issue_id,
        worklogs.tool,
        worklogs.worklog_id,
        worklogs.author_id,
        worklogs.time_spent_seconds,
        worklogs.is_deleted,
        done.done_at,
        done.reopened_at,
        worklogs.deleted_at,
        greatest(
            done.done_at,
            coalesce(worklogs.created_at, worklogs.started_at, timezone('{{ timezone() }}', cast(work_date as timestamp)))
        ) as logged_at
    from {{ ref('int_worklogs__both_tools') }} as worklogs
    inner join done
        on done.issue_id = worklogs.issue_id
        and worklogs.work_date > cast({{ local_time('done.done_at') }} as date)
        and worklogs.work_date < coalesce(cast({{ local_time('done.reopened_at') }} as date), 'infinity')
    where worklogs.is_leading and worklogs.time_spent_seconds > 0
),

periods as (
    select
        *,
        logged_at as valid_from,
        least(logged_at + interval {{ var('risk_hours_on_closed_days') | int }} day, deleted_at, reopened_at) as valid_to
    from late
),

numbered as (
    {{ with_episodes("(select * from periods where valid_from < valid_to)", 'issue_id') }}
),

episodes as (
    select
        issue_id,
        any_value(tool) as tool,
        min(valid_from) as first_seen_at,
        max(valid_to) as ends_at,
        max(done_at) as done_at,
        coalesce(sum(time_spent_seconds) filter (where not is_deleted), sum(time_spent_seconds)) / 3600 as value,
        count(distinct author_id) as people,
        list_sort(list(('worklog:' || tool || ':' || worklog_id))) as ids
    from numbered
    group by issue_id, episode
)

select
    'hours_on_closed' as kind,
    'issue' as subject_kind,
    episodes.issue_id as subject_id,
    episodes.tool as source,
    episodes.first_seen_at,
    if(episodes.ends_at <= clock.as_of, episodes.ends_at, null) as closed_at,
    clock.as_of,
    round(episodes.value, 6) as value,
    cast({{ risk_limit('hours_on_closed', 'opens') }} as double) as threshold,
    cast({{ risk_limit('hours_on_closed', 'urgent') }} as double) as urgent,
    'hours' as unit,
    {{ counted('episodes.value', 'hour') }} || ' logged by ' || if(episodes.people = 1, '1 person', episodes.people || ' people')
    || ' on later days than it was done, ' || cast({{ local_time('episodes.done_at') }} as date) as what,
    episodes.ids,
    cast([] as varchar[]) as links
from episodes
cross join clock
where episodes.value > {{ risk_limit('hours_on_closed', 'opens') }}
