{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='issue_id') }}

-- The past of a field is rebuilt from its changes: before the first change it had that change's `from`. A field that
-- never changed has had its current value since the issue was created.
-- Every issue has a status, so each has a row here, and max(loaded_at) is how far the table has read.

with issues as (
    select * from {{ ref('stg_jira__issues') }}
),

items as (
    select * from {{ ref('int_jira__change_items') }}
),

-- Every issue has a row of each, null where it never had a value. Estimates are read from the whole document, so a
-- board may choose another field at any time: that changes no issue.
tracked as (
    select 'status' as field_id, 'status' as kind
    union
    select 'issuetype', 'type'
    union
    select field_id, 'sprint' from {{ ref('stg_jira__fields') }} where field_role = 'sprint'
    union
    select field_id, 'estimate'
    from {{ ref('stg_jira__fields') }}
    where field_role in ('story_points', 'story_point_estimate')
    union
    select estimation_field_id, 'estimate' from {{ ref('stg_jira__boards') }} where estimation_field_id is not null
    union
    -- Closed sprints keep the field that they were estimated with.
    select estimation_field_id, 'estimate'
    from {{ ref('int_jira__sprint_boards') }}
    where estimation_field_id is not null
    union
    select 'timeoriginalestimate', 'estimate'
),

issues_to_build as (
    {% if is_incremental() %}
    select issue_id from issues
    where extracted_at >= (select coalesce(max(loaded_at), '-infinity') from {{ this }})
    union
    select issue_id from items
    where extracted_at >= (select coalesce(max(loaded_at), '-infinity') from {{ this }})
    union
    -- A field may become tracked at any time, also again after a time without tracking.
    select issue_id
    from (select issues.issue_id, tracked.field_id from issues cross join tracked) as wanted
    anti join {{ this }} using (issue_id, field_id)
    {% else %}
    select issue_id from issues
    {% endif %}
),

current_values as (
    select
        issues.issue_id,
        issues.created_at,
        issues.extracted_at,
        tracked.kind,
        tracked.field_id,
        case tracked.kind
            when 'status' then issues.status_id
            when 'type' then issues.fields ->> '$.issuetype.id'
            when 'sprint' then array_to_string(from_json(issues.sprint_ids, '["VARCHAR"]'), ', ')
            when 'estimate' then issues.fields ->> tracked.field_id
        end as value
    from issues
    inner join issues_to_build using (issue_id)
    cross join tracked
),

-- Older histories have the field's name only. Fields may share a name, so one field stands for it.
field_names as (
    select lower(field_name) as field_name, min(field_id) as field_id
    from {{ ref('stg_jira__fields') }}
    where field_id in (select field_id from tracked where kind <> 'type')
    group by lower(field_name)
    union all
    select 'issuetype', 'issuetype'
),

changes as (
    select
        items.issue_id,
        current_values.field_id,
        current_values.kind,
        items.author_id,
        items.created_at,
        -- Jira gives numbers as text. Statuses and sprints are taken by id, because names change.
        case
            when current_values.kind = 'estimate' then coalesce(nullif(items.from_string, ''), items.from_value)
            else items.from_value
        end as from_value,
        case
            when current_values.kind = 'estimate' then coalesce(nullif(items.to_string, ''), items.to_value)
            else items.to_value
        end as to_value,
        items.extracted_at,
        row_number() over (
            partition by items.issue_id, current_values.field_id
            order by items.created_at, try_cast(items.change_id as hugeint), items.change_id, items.position
        ) as step
    from items
    left join field_names
        on items.field_id is null and field_names.field_name = lower(items.field_name)
    inner join current_values
        on current_values.issue_id = items.issue_id
        and current_values.field_id = coalesce(items.field_id, field_names.field_id)
    where not items.is_deleted
),

states as (
    select
        current_values.issue_id,
        current_values.field_id,
        current_values.kind,
        case when changes.step = 1 then changes.from_value else current_values.value end as value,
        current_values.created_at as valid_from,
        null as changed_by,
        0 as step
    from current_values
    left join changes
        on changes.issue_id = current_values.issue_id
        and changes.field_id = current_values.field_id
        and changes.step = 1

    union all

    select issue_id, field_id, kind, to_value as value, created_at as valid_from, author_id as changed_by, step
    from changes
),

read_until as (
    select issue_id, max(extracted_at) as loaded_at
    from (
        select issue_id, extracted_at from current_values
        union all
        select issue_id, extracted_at from items inner join issues_to_build using (issue_id)
    ) as read_rows
    group by issue_id
),

spans as (
    select
        *,
        lead(valid_from) over (partition by issue_id, field_id order by step) as valid_to,
        lead(changed_by) over (partition by issue_id, field_id order by step) as ended_by
    from states
)

select
    spans.issue_id,
    spans.field_id,
    spans.kind,
    nullif(spans.value, '') as value,
    spans.valid_from,
    spans.valid_to,
    spans.changed_by,
    spans.ended_by,
    spans.step = 0 and spans.valid_to is null as never_changed,
    read_until.loaded_at
from spans
inner join read_until using (issue_id)
-- Several changes at one instant: only the last one was ever true.
where spans.valid_to is null or spans.valid_from < spans.valid_to
