with spans as (
    select * from {{ ref('int_jira__field_spans') }} where kind = 'status'
),

issues as (
    select * from {{ ref('stg_jira__issues') }}
),

statuses as (
    select * from {{ ref('stg_jira__statuses') }}
)

select
    spans.issue_id,
    spans.value as status_id,
    coalesce(
        statuses.status_category,
        case when spans.value = issues.status_id then issues.status_category end
    ) as status_category,
    spans.valid_from,
    spans.valid_to,
    -- A history that was lost (an import) leaves one span since creation; its resolution says when it got done.
    case
        when spans.never_changed then greatest(spans.valid_from, coalesce(issues.resolved_at, spans.valid_from))
        else spans.valid_from
    end as done_from,
    spans.never_changed,
    spans.changed_by,
    spans.ended_by
from spans
inner join issues using (issue_id)
left join statuses on statuses.status_id = spans.value
