with started as (
    select
        sprints.sprint_id,
        sprints.sprint_name,
        sprints.sprint_state,
        sprints.board_id,
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

starts as (
    select board_id, started_at, lead(started_at) over (partition by board_id order by started_at) as next_started_at
    from (select distinct board_id, started_at from started where board_id is not null)
)

select started.*, starts.next_started_at
from started
left join starts using (board_id, started_at)
