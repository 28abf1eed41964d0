{%- set least, most = 3, 5 %}

with sprints as (
    select velocity.*, windows.ended_at, windows.as_of
    from {{ ref('sprint_velocity') }} as velocity
    inner join {{ ref('int_jira__sprint_windows') }} as windows using (sprint_id)
    where not velocity.is_deleted and velocity.board_id is not null
),

boards as (
    select
        board_id,
        any_value(board_name) as board_name,
        count(*) filter (where state = 'active') as active_sprints,
        max(ended_at) filter (where state = 'closed') as last_closed_at,
        any_value(as_of) as as_of
    from sprints
    group by board_id
    -- A sprint outlives the board that it was made on, and goes on where its issues are shown.
    having active_sprints > 0 or board_id not in (select board_id from {{ ref('stg_jira__boards') }} where is_deleted)
),

-- Of several at once the one that started last: the older one is the one that somebody forgot to complete.
active as (
    select *
    from sprints
    where state = 'active'
    qualify row_number() over (
        partition by board_id
        order by started_at desc, try_cast(sprint_id as hugeint) desc
    ) = 1
),

closed as (
    select
        *,
        row_number() over (
            partition by board_id
            order by ended_at desc, started_at desc, try_cast(sprint_id as hugeint) desc
        ) as place
    from sprints
    where state = 'closed'
),

samples as (
    select
        board_id,
        {% for name, first in {'last': 1, 'earlier': most + 1}.items() -%}
        {% for value in ['completed_points', 'completed_issues', 'say_do_ratio', 'say_do_issue_ratio'] -%}
        coalesce(list({{ value }} order by place desc) filter (
            where place between {{ first }} and {{ first + most - 1 }} and {{ value }} is not null
        ), []) as {{ name }}_{{ value }},
        {% endfor -%}
        {% endfor -%}
    from closed
    group by board_id
),

velocities as (
    select
        board_id,
        {% for unit in ['points', 'issues'] -%}
        {% set last, earlier = 'last_completed_' ~ unit, 'earlier_completed_' ~ unit -%}
        {{ last }} as sample_{{ unit }},
        if(len({{ last }}) >= {{ least }}, round(list_avg({{ last }}), 6), null) as velocity_{{ unit }},
        if(len({{ last }}) >= {{ least }}, list_min({{ last }}), null) as lowest_{{ unit }},
        if(len({{ last }}) >= {{ least }}, list_max({{ last }}), null) as highest_{{ unit }},
        if(len({{ earlier }}) >= {{ least }}, round(list_avg({{ earlier }}), 6), null) as earlier_velocity_{{ unit }},
        {% endfor -%}
        {% for ratio in ['say_do_ratio', 'say_do_issue_ratio'] -%}
        if(len(last_{{ ratio }}) >= {{ least }}, round(list_avg(last_{{ ratio }}), 6), null) as {{ ratio }},
        {% endfor -%}
        len(last_completed_issues) as sample_sprints,
        len(earlier_completed_issues) as earlier_sprints
    from samples
),

risks as (
    select
        board_id,
        {% for severity in ['P1', 'P2', 'P3'] -%}
        count(*) filter (where severity = '{{ severity }}') as open_{{ severity | lower }}_risks{{ "," if not loop.last }}
        {% endfor -%}
    from {{ ref('signals') }}
    where is_open
    group by board_id
)

select
    ---------- ids
    boards.board_id,
    boards.board_name,

    ---------- active sprint
    boards.active_sprints,
    active.sprint_id as active_sprint_id,
    active.sprint_name as active_sprint_name,
    active.started_at as active_started_at,
    active.planned_end_at as active_planned_end_at,
    {% for unit in ['points', 'issues'] -%}
    active.committed_{{ unit }} as active_committed_{{ unit }},
    active.completed_{{ unit }} as active_completed_{{ unit }},
    active.final_{{ unit }} - active.committed_{{ unit }} as active_scope_change_{{ unit }},
    {% endfor %}
    ---------- closed sprints
    boards.last_closed_at,
    coalesce(velocities.sample_sprints, 0) as sample_sprints,
    coalesce(velocities.earlier_sprints, 0) as earlier_sprints,
    {% for unit in ['points', 'issues'] -%}
    coalesce(velocities.sample_{{ unit }}, []) as sample_{{ unit }},
    velocities.velocity_{{ unit }},
    velocities.lowest_{{ unit }},
    velocities.highest_{{ unit }},
    velocities.earlier_velocity_{{ unit }},
    round(velocities.velocity_{{ unit }} / nullif(velocities.earlier_velocity_{{ unit }}, 0) - 1, 6)
        as velocity_change_{{ unit }},
    {% endfor -%}
    velocities.say_do_ratio,
    velocities.say_do_issue_ratio,

    ---------- risks
    coalesce(risks.open_p1_risks, 0) as open_p1_risks,
    coalesce(risks.open_p2_risks, 0) as open_p2_risks,
    coalesce(risks.open_p3_risks, 0) as open_p3_risks,

    ---------- timestamps
    boards.as_of
from boards
left join active using (board_id)
left join velocities using (board_id)
left join risks using (board_id)
