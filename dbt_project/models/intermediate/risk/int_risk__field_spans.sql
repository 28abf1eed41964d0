-- The past of the fields that risk is read from, rebuilt from their changes as in int_jira__field_spans; of the issues
-- that had work left lately only, so it needs no increments.
with issues as (
    select *
    from {{ ref('stg_jira__issues') }}
    where issue_id in (select issue_id from {{ ref('int_risk__open_work') }})
),

flag_fields as (
    select field_id
    from {{ ref('stg_jira__fields') }}
    where lower(field_name) in (select unnest({{ risk_words('risk_flag_fields') }}))
),

flags as (
    select
        issues.issue_id,
        -- A list of options, as text: none is chosen in [].
        max(nullif(nullif(issues.fields ->> flag_fields.field_id, '[]'), '')) as value
    from issues
    cross join flag_fields
    group by issues.issue_id
),

current_values as (
    select issues.issue_id, issues.created_at, 'flag' as kind, flags.value
    from issues
    left join flags using (issue_id)
    union all
    select issue_id, created_at, 'priority', priority from issues
    union all
    select issue_id, created_at, 'assignee', assignee_id from issues
    union all
    select issue_id, created_at, 'due', cast(due_date as varchar) from issues
),

items as (
    select
        *,
        case
            when lower(field_name) in (select unnest({{ risk_words('risk_flag_fields') }})) then 'flag'
            when coalesce(field_id, lower(field_name)) = 'priority' then 'priority'
            when coalesce(field_id, lower(field_name)) = 'assignee' then 'assignee'
            when coalesce(field_id, lower(field_name)) in ('duedate', 'due date') then 'due'
        end as kind
    from {{ ref('int_jira__change_items') }}
    where not is_deleted and issue_id in (select issue_id from issues)
),

changes as (
    select
        issue_id,
        kind,
        created_at,
        case kind
            when 'priority' then from_string
            when 'assignee' then from_value
            when 'due' then left(coalesce(from_value, from_string), 10)
            else coalesce(nullif(from_string, ''), nullif(from_value, '[]'))
        end as from_value,
        case kind
            when 'priority' then to_string
            when 'assignee' then to_value
            when 'due' then left(coalesce(to_value, to_string), 10)
            else coalesce(nullif(to_string, ''), nullif(to_value, '[]'))
        end as to_value,
        row_number() over (
            partition by issue_id, kind
            order by created_at, try_cast(change_id as hugeint), change_id, position
        ) as step
    from items
    where kind is not null
),

states as (
    select
        current_values.issue_id,
        current_values.kind,
        case when changes.step = 1 then changes.from_value else current_values.value end as value,
        current_values.created_at as valid_from,
        0 as step
    from current_values
    left join changes
        on changes.issue_id = current_values.issue_id and changes.kind = current_values.kind and changes.step = 1

    union all

    select issue_id, kind, to_value, created_at, step from changes
),

spans as (
    select
        issue_id,
        kind,
        nullif(value, '') as value,
        valid_from,
        lead(valid_from) over (partition by issue_id, kind order by step) as valid_to
    from states
)

select *
from spans
-- Several changes at one instant: only the last one was ever true.
where valid_from < coalesce(valid_to, 'infinity')
