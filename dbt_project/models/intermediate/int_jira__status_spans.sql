with spans as (
    select * from {{ ref('int_jira__field_spans') }} where kind = 'status'
),

issues as (
    select * from {{ ref('stg_jira__issues') }}
),

statuses as (
    select * from {{ ref('stg_jira__statuses') }}
),

-- A status that was deleted before it was ever read is known by the name alone that it has in the history: it counts as
-- the statuses of that name do, where they agree.
told as (
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
left join told on told.status_id = spans.value
left join named on named.status_name = lower(told.status_name)
