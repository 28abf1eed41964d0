-- Age counts from the first status in progress since the issue was last to do or done: a reopening starts again.
-- It is compared with the percentile at the time when the work began. So a signal does not come and go, and its start
-- does not move, when other issues are finished.
{%- set sample = var('risk_ageing_sample') %}
{%- set microseconds = 3600000000 * risk_limit('ageing', 'opens') %}

with clock as (
    select as_of from {{ ref('int_jira__now') }}
),

issues as (
    select * from {{ ref('stg_jira__issues') }}
),

in_progress as (
    select
        spans.issue_id,
        greatest(spans.valid_from, open_work.valid_from) as valid_from,
        least(spans.valid_to, open_work.valid_to) as valid_to
    from {{ ref('int_jira__status_spans') }} as spans
    inner join {{ ref('int_risk__open_work') }} as open_work using (issue_id)
    where spans.status_category = 'indeterminate'
),

numbered as (
    {{ with_episodes("(select * from in_progress where valid_from < coalesce(valid_to, 'infinity'))", 'issue_id') }}
),

work as (
    select issue_id, episode, min(valid_from) as begun_at, {{ last_end('valid_to') }} as closed_at
    from numbered
    group by issue_id, episode
),

-- Of each type in a project, and of the whole project, which is the type ''.
finished as (
    select issue_id, project_id, issue_type, issue_type || ' in ' as described_as, done_at, cycle_hours
    from {{ ref('issue_cycle_times') }}
    where cycle_hours is not null and issue_type is not null
    union all
    select issue_id, project_id, '', '', done_at, cycle_hours
    from {{ ref('issue_cycle_times') }}
    where cycle_hours is not null
),

-- At each finish, of the newest ones.
percentiles as (
    select
        project_id,
        issue_type,
        described_as,
        done_at as known_from,
        count(*) over newest as sample,
        quantile_cont(cycle_hours, 0.85) over newest as hours
    from finished
    window newest as (
        partition by project_id, issue_type
        order by done_at, issue_id
        rows between {{ sample.most - 1 }} preceding and current row
    )
    qualify row_number() over (partition by project_id, issue_type, done_at order by issue_id desc) = 1
),

enough as (
    select * from percentiles where sample >= {{ sample.least }} and hours > 0
),

first_enough as (
    select project_id, issue_type, arg_min(enough, known_from) as percentile
    from enough
    group by project_id, issue_type
),

-- An epic is not compared with the stories in it.
parents as (
    select parent_id as issue_id from issues where parent_id is not null and not coalesce(is_subtask, false)
    union
    select epics.issue_id
    from issues
    inner join issues as epics on epics.issue_key = issues.epic_key
),

measures as (
    select work.*, issues.project_id, issues.project_key, issues.issue_type
    from work
    inner join issues using (issue_id)
    where issues.issue_type is not null
    union all
    select work.*, issues.project_id, issues.project_key, ''
    from work
    inner join issues using (issue_id)
    anti join parents using (issue_id)
),

compared as (
    select
        measures.*,
        coalesce(enough.known_from, first_enough.percentile.known_from) as known_from,
        coalesce(enough.hours, first_enough.percentile.hours) as hours,
        coalesce(enough.sample, first_enough.percentile.sample) as sample,
        coalesce(enough.described_as, first_enough.percentile.described_as) as described_as
    from measures
    asof left join enough
        on enough.project_id = measures.project_id
        and enough.issue_type = measures.issue_type
        and enough.known_from <= measures.begun_at
    left join first_enough
        on first_enough.project_id = measures.project_id and first_enough.issue_type = measures.issue_type
),

-- A signal opens at a multiple of the percentile that was known first; of two known when the work began, that of the type.
chosen as (
    select
        *,
        greatest(known_from, begun_at, begun_at + to_microseconds(cast(round(hours * {{ microseconds }}) as bigint)))
            as first_seen_at
    from compared
    where known_from is not null
    qualify row_number() over (
        partition by issue_id, episode
        order by greatest(known_from, begun_at), issue_type = ''
    ) = 1
),

measured as (
    select
        chosen.*,
        clock.as_of,
        epoch(coalesce(chosen.closed_at, clock.as_of) - chosen.begun_at) / 86400 as value,
        chosen.hours / 24 as days
    from chosen
    cross join clock
)

select
    'ageing' as kind,
    'issue' as subject_kind,
    issue_id as subject_id,
    'jira' as source,
    first_seen_at,
    closed_at,
    as_of,
    round(value, 6) as value,
    round(days * {{ risk_limit('ageing', 'opens') }}, 6) as threshold,
    round(days * {{ risk_limit('ageing', 'urgent') }}, 6) as urgent,
    'days' as unit,
    'in progress for ' || {{ counted('value', 'day') }} || '; 85 % of the last ' || sample || ' finished before ('
    || described_as || project_key || ') took at most ' || {{ plain('days') }} as what,
    cast([] as varchar[]) as ids,
    cast([] as varchar[]) as links
from measured
where first_seen_at < coalesce(closed_at, as_of)
