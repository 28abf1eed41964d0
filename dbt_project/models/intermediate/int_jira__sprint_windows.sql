with started as (
    select
        sprints.sprint_id,
        sprints.sprint_name,
        sprints.sprint_state,
        sprints.board_id,
        sprints.is_deleted,
        rules.estimation_field_id,
        rules.done_rule,
        sprints.start_at as started_at,
        case
            when sprints.sprint_state = 'closed' then coalesce(sprints.complete_at, sprints.end_at, clock.as_of)
            else clock.as_of
        end as ended_at,
        clock.as_of
    from {{ ref('stg_jira__sprints') }} as sprints
    inner join {{ ref('int_jira__sprint_rules') }} as rules using (sprint_id)
    cross join {{ ref('int_jira__now') }} as clock
    where sprints.sprint_state in ('active', 'closed') and sprints.start_at is not null
),

-- Boards may run sprints side by side: only what starts from this one's end on comes after it.
next_starts as (
    select started.sprint_id, min(others.started_at) as next_started_at
    from started
    inner join started as others
        on others.board_id = started.board_id
        and others.sprint_id <> started.sprint_id
        and others.started_at >= started.ended_at
    where not others.is_deleted
    group by started.sprint_id
)

select started.*, next_starts.next_started_at
from started
left join next_starts using (sprint_id)
