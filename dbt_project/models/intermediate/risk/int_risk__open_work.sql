-- When there was work left on an issue: from its creation or reopening until it was done, by the category of its
-- status, or could not be seen any more.
with clock as (
    select as_of from {{ ref('int_jira__now') }}
),

issues as (
    select issue_id, least(deleted_at, unreachable_since) as gone_at from {{ ref('stg_jira__issues') }}
),

spans as (
    select
        spans.issue_id,
        spans.valid_from,
        least(
            -- Where the history is lost, the resolution says until when it was not done.
            case when spans.status_category = 'done' then spans.done_from else spans.valid_to end,
            issues.gone_at
        ) as valid_to
    from {{ ref('int_jira__status_spans') }} as spans
    inner join issues using (issue_id)
    where spans.status_category is distinct from 'done' or spans.done_from > spans.valid_from
),

numbered as (
    {{ with_episodes("(select * from spans where valid_from < coalesce(valid_to, 'infinity'))", 'issue_id') }}
),

periods as (
    select issue_id, min(valid_from) as valid_from, {{ last_end('valid_to') }} as valid_to
    from numbered
    group by issue_id, episode
)

select periods.*
from periods
cross join clock
where {{ risk_is_kept('periods.valid_to', 'clock.as_of') }}
