with weeks as (
    select
        project_id,
        any_value(project_key) as project_key,
        cast(date_trunc('week', day) as date) as week,
        cast(sum(created_issues) as bigint) as created_issues,
        cast(sum(completed_issues) as bigint) as completed_issues,
        cast(sum(completed_points) as decimal(18, 3)) as completed_points
    from {{ ref('throughput_daily') }}
    group by all
),

cycle_times as (
    select
        project_id,
        {{ first_day_of('week', 'done_at') }} as week,
        count(cycle_hours) as timed_issues,
        {% for hours in ['cycle_hours', 'cycle_business_hours'] -%}
        round(quantile_cont({{ hours }}, 0.5), 6) as median_{{ hours }},
        round(quantile_cont({{ hours }}, 0.85), 6) as p85_{{ hours }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ ref('issue_cycle_times') }}
    where done_at is not null and not is_subtask
    group by all
),

work as (
    select issues.project_id, spans.valid_from, spans.valid_to
    from {{ ref('int_jira__status_spans') }} as spans
    inner join {{ ref('stg_jira__issues') }} as issues using (issue_id)
    where spans.status_category = 'indeterminate' and not issues.is_deleted and not coalesce(issues.is_subtask, false)
),

-- Begun less ended, by week, adds up to what is in progress at the end of each: one pass, where a join of the weeks with
-- the spans that hold at their ends would compare each with all. What happens on Monday at midnight is of that week.
steps as (
    select project_id, week, sum(step) as step
    from (
        select project_id, {{ first_day_of('week', 'valid_from') }} as week, 1 as step
        from work
        union all
        select project_id, {{ first_day_of('week', 'valid_to') }}, -1
        from work
        where valid_to is not null
    )
    group by all
)

select
    weeks.project_id,
    weeks.project_key,
    weeks.week,
    weeks.week < {{ first_day_of('week', 'clock.as_of') }} as is_over,
    weeks.created_issues,
    weeks.completed_issues,
    weeks.completed_points,
    if(count(*) over four_before = 4, avg(weeks.completed_issues) over four_before, null)
        as mean_completed_issues_before,
    coalesce(cycle_times.timed_issues, 0) as timed_issues,
    cycle_times.median_cycle_hours,
    cycle_times.p85_cycle_hours,
    cycle_times.median_cycle_business_hours,
    cycle_times.p85_cycle_business_hours,
    cast(sum(coalesce(steps.step, 0)) over (partition by weeks.project_id order by weeks.week) as bigint)
        as in_progress_issues
from weeks
cross join {{ ref('int_jira__now') }} as clock
left join cycle_times using (project_id, week)
left join steps using (project_id, week)
window four_before as (
    partition by weeks.project_id
    order by weeks.week
    rows between 4 preceding and 1 preceding
)
