with entries as (
    select
        *,
        case
            when not was_in_at_start then 'added'
            when not was_done_at_start then 'committed'
            when reopened_at <= ended_at and (left_at is null or reopened_at < left_at) then 'reopened'
        end as kind
    from {{ ref('int_jira__sprint_members') }}
),

spells as (
    select
        *,
        case kind when 'committed' then started_at when 'added' then joined_at when 'reopened' then reopened_at end
            as entered_at,
        case kind when 'added' then joined_by when 'reopened' then reopened_by end as entered_by
    from entries
    where kind is not null
),

ended as (
    select
        spells.*,
        first_estimate.estimate as first_estimate,
        rules.board_status_ids,
        spells.left_at is null as is_final,
        spells.left_at is null and coalesce(spells.done_since > spells.started_at, false) as is_completed,
        spells.left_at is not null and coalesce(spells.done_since > spells.started_at, false) as is_done_then_removed,
        spells.left_at is null and spells.done_since is null as is_unfinished
    from spells
    inner join {{ ref('int_jira__sprint_rules') }} as rules using (sprint_id)
    left join {{ ref('int_jira__estimate_spans') }} as first_estimate
        on first_estimate.issue_id = spells.issue_id
        and first_estimate.field_id = spells.estimation_field_id
        and {{ holds_at('first_estimate', 'spells.entered_at') }}
),

windows as (
    select * from {{ ref('int_jira__sprint_windows') }}
),

-- Where what is unfinished may go on, and when to look: the sprints of the board that were open at this one's end, just
-- after it, since Jira moves the issues of a sprint once it is complete; the first that starts from then on, at its
-- start; or else a planned one, now.
destinations as (
    select
        windows.sprint_id,
        others.sprint_id as other_sprint_id,
        if(others.started_at < windows.ended_at, windows.ended_at + interval 1 minute, others.started_at) as looked_at
    from windows
    inner join windows as others
        on others.board_id = windows.board_id
        and others.sprint_id <> windows.sprint_id
    where not others.is_deleted
        and (
            others.started_at = windows.next_started_at
            or (
                others.started_at < windows.ended_at
                and (others.sprint_state = 'active' or others.ended_at > windows.ended_at)
            )
        )

    union all

    select windows.sprint_id, planned.sprint_id, windows.as_of
    from windows
    inner join {{ ref('stg_jira__sprints') }} as planned using (board_id)
    where windows.next_started_at is null and planned.sprint_state = 'future' and not planned.is_deleted
),

carried_over as (
    select distinct ended.sprint_id, ended.issue_id
    from ended
    inner join destinations using (sprint_id)
    inner join {{ ref('int_jira__sprint_spans') }} as sprint_spans
        on sprint_spans.sprint_id = destinations.other_sprint_id
        and sprint_spans.issue_id = ended.issue_id
        and {{ holds_at('sprint_spans', 'destinations.looked_at') }}
    where ended.is_unfinished
),

done_now as (
    select done_spans.sprint_id, done_spans.issue_id
    from {{ ref('int_jira__sprint_done_spans') }} as done_spans
    cross join {{ ref('int_jira__now') }} as clock
    where {{ holds_at('done_spans', 'clock.as_of') }}
)

select
    ended.sprint_id,
    ended.issue_id,
    ended.kind,
    ended.estimation_field_id,
    ended.entered_at,
    ended.left_at,
    ended.last_at,
    ended.first_estimate,
    ended.last_estimate,
    ended.done_since,
    ended.is_final,
    ended.is_completed,
    ended.is_done_then_removed,
    ended.is_unfinished,
    ended.is_unfinished and carried_over.issue_id is not null as is_carried_over,
    ended.is_final
    and coalesce(len(ended.board_status_ids), 0) > 0
    and not list_contains(ended.board_status_ids, ended.last_status_id) as is_unmapped,
    ended.is_completed and done_now.issue_id is null as is_reopened_since_close,
    ended.entered_by,
    ended.left_by
from ended
left join carried_over using (sprint_id, issue_id)
left join done_now using (sprint_id, issue_id)
