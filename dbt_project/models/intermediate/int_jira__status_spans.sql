with spans as (
    select * from {{ ref('int_jira__field_spans') }} where kind = 'status'
),

issues as (
    select * from {{ ref('stg_jira__issues') }}
),

statuses as (
    select * from {{ ref('stg_jira__statuses') }}
),

-- A status that was deleted before the first sync is known only by its name in the history. It gets the category of the
-- statuses with that name, where these agree.
historical as (
    select status_id, arg_max(status_name, created_at) as status_name
    from (
        select from_value as status_id, from_string as status_name, created_at
        from {{ ref('int_jira__change_items') }}
        where coalesce(field_id, lower(field_name)) = 'status'
        union all
        select to_value, to_string, created_at
        from {{ ref('int_jira__change_items') }}
        where coalesce(field_id, lower(field_name)) = 'status'
    )
    group by status_id
),

named as (
    select lower(status_name) as status_name, any_value(status_category) as status_category
    from statuses
    group by lower(status_name)
    having count(distinct status_category) = 1
)

select
    spans.issue_id,
    spans.value as status_id,
    coalesce(
        statuses.status_category,
        case when spans.value = issues.status_id then issues.status_category end,
        named.status_category
    ) as status_category,
    spans.valid_from,
    spans.valid_to,
    -- Where the history was lost (an import) there is one span since creation; the resolution date says when it was done.
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
left join historical on historical.status_id = spans.value
left join named on named.status_name = lower(historical.status_name)
