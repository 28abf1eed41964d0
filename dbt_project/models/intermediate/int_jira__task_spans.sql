-- An issue may become a sub-task, and an issue again. Which types are sub-tasks is known from the issues that have them;
-- a type that none has any more counts as the issue's own type does now.
with spans as (
    select * from {{ ref('int_jira__field_spans') }} where kind = 'type'
),

issues as (
    select issue_id, coalesce(is_subtask, false) as is_subtask from {{ ref('stg_jira__issues') }}
),

types as (
    select spans.value as type_id, bool_or(issues.is_subtask) as is_subtask
    from spans
    inner join issues using (issue_id)
    where spans.valid_to is null
    group by spans.value
),

typed as (
    select spans.*, coalesce(types.is_subtask, issues.is_subtask) as is_subtask
    from spans
    inner join issues using (issue_id)
    left join types on types.type_id = spans.value
),

-- From one type to another is no change here, unless one of them is a sub-task.
numbered as (
    select *, count_if(is_subtask) over (partition by issue_id order by valid_from) as task_period
    from typed
)

select
    issue_id,
    min(valid_from) as valid_from,
    case when bool_or(valid_to is null) then null else max(valid_to) end as valid_to,
    arg_min_null(changed_by, valid_from) as changed_by,
    arg_max_null(ended_by, valid_from) as ended_by
from numbered
where not is_subtask
group by issue_id, task_period
