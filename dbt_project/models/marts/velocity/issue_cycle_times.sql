with issues as (
    select * from {{ ref('stg_jira__issues') }} where not is_deleted
),

spans as (
    select
        spans.*,
        (spans.status_category is not distinct from 'done') as is_done,
        case spans.status_category when 'new' then 0 when 'indeterminate' then 1 when 'done' then 2 end as stage
    from {{ ref('int_jira__status_spans') }} as spans
),

moves as (
    select
        *,
        lag(stage) over history as previous_stage,
        count_if(not is_done) over history as done_period
    from spans
    window history as (partition by issue_id order by valid_from)
),

history as (
    select
        issue_id,
        min(valid_from) filter (where status_category = 'indeterminate') as first_in_progress_at,
        count(*) filter (where previous_stage = 2 and stage < 2) as reopened_count,
        count(*) filter (where stage < previous_stage) as backward_moves
    from moves
    group by issue_id
),

-- The last entry into done: moving between done statuses is not finishing again.
finishes as (
    select
        issue_id,
        -- An issue without a history and without a resolution does not tell when it was finished.
        min(done_from) filter (where not never_changed or done_from > valid_from) as done_at
    from moves
    where is_done
    group by issue_id, done_period
    having bool_or(valid_to is null)
),

timed as (
    select
        issues.issue_id,
        issues.issue_key,
        issues.project_id,
        issues.project_key,
        issues.issue_type,
        coalesce(issues.is_subtask, false) as is_subtask,
        issues.created_at,
        case when history.first_in_progress_at <= finishes.done_at then history.first_in_progress_at end
            as first_in_progress_at,
        finishes.done_at,
        history.reopened_count,
        history.backward_moves,
        estimates.estimate as points
    from finishes
    inner join issues using (issue_id)
    inner join history using (issue_id)
    left join {{ ref('int_jira__project_estimation') }} as estimation using (project_id)
    left join {{ ref('int_jira__estimate_spans') }} as estimates
        on estimates.issue_id = issues.issue_id
        and estimates.field_id = estimation.estimation_field_id
        and estimates.valid_to is null
)

select
    *,
    {{ hours_between('first_in_progress_at', 'done_at') }} as cycle_hours,
    {{ hours_between('created_at', 'done_at') }} as lead_hours,
    {{ working_hours_between('first_in_progress_at', 'done_at') }} as cycle_business_hours,
    {{ working_hours_between('created_at', 'done_at') }} as lead_business_hours
from timed
