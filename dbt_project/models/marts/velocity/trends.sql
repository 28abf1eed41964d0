with closed as (
    select velocity.*, {{ first_day_of('month', 'windows.ended_at') }} as month, windows.as_of
    from {{ ref('sprint_velocity') }} as velocity
    inner join {{ ref('int_jira__sprint_windows') }} as windows using (sprint_id)
    where velocity.state = 'closed' and not velocity.is_deleted and velocity.board_id is not null
)

select
    board_id,
    any_value(board_name) as board_name,
    month,
    month < {{ first_day_of('month', 'any_value(as_of)') }} as is_over,
    count(*) as sprints,
    count(estimation_field_id) as sprints_with_points,
    {% for measure in ['committed', 'completed', 'carryover'] -%}
    cast(sum({{ measure }}_points) as decimal(18, 3)) as {{ measure }}_points,
    cast(sum({{ measure }}_issues) as bigint) as {{ measure }}_issues,
    {% endfor -%}
    {{ ratio('sum(completed_committed_points)', 'sum(committed_points)') }} as say_do_ratio,
    {{ ratio('sum(completed_committed_issues)', 'sum(committed_issues)') }} as say_do_issue_ratio,
    {% for measure in ['completed_points', 'completed_issues'] -%}
    round(avg({{ measure }}), 6) as mean_{{ measure }},
    round(stddev_samp({{ measure }}), 6) as stddev_{{ measure }}{{ "," if not loop.last }}
    {% endfor %}
from closed
group by board_id, month
