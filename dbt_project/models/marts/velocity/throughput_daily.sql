with created as (
    select project_id, cast({{ local_time('created_at') }} as date) as day, count(*) as created_issues
    from {{ ref('stg_jira__issues') }}
    where not is_deleted and not coalesce(is_subtask, false)
    group by all
),

completed as (
    select
        project_id,
        cast({{ local_time('done_at') }} as date) as day,
        count(*) as completed_issues,
        sum(coalesce(points, 0)) as completed_points
    from {{ ref('issue_cycle_times') }}
    where done_at is not null and not is_subtask
    group by all
),

first_days as (
    select project_id, min(day) as first_day
    from created
    group by project_id
),

-- Every day counts, also one on which nothing happened.
days as (
    select
        first_days.project_id,
        cast(unnest(generate_series(
            first_days.first_day,
            greatest(first_days.first_day, cast({{ local_time('clock.as_of') }} as date)),
            interval 1 day
        )) as date) as day
    from first_days
    cross join {{ ref('int_jira__now') }} as clock
)

select
    days.project_id,
    projects.project_key,
    days.day,
    coalesce(created.created_issues, 0) as created_issues,
    coalesce(completed.completed_issues, 0) as completed_issues,
    case
        when estimation.estimation_field_id is not null
            then cast(coalesce(completed.completed_points, 0) as decimal(18, 3))
    end as completed_points
from days
left join {{ ref('stg_jira__projects') }} as projects using (project_id)
left join {{ ref('int_jira__project_estimation') }} as estimation using (project_id)
left join created using (project_id, day)
left join completed using (project_id, day)
