"""What a manager looks at first in a published file: sprints, trends, boards and risks. 80 columns are enough."""

from __future__ import annotations

#: The newest sprints and months of each board that are shown.
NEWEST = 4
#: How many kinds of risks are shown.
MOST_RISKS = 5

# Each in points, or in issues when the board does not estimate.
_SPRINTS = f"""
select
    sprint_name as sprint,
    if(committed_points is null, 'issues', 'points') as unit,
    coalesce(committed_points, committed_issues) as committed,
    coalesce(added_points, added_issues) as added,
    coalesce(removed_points, removed_issues) as removed,
    coalesce(reestimated_points, reestimated_issues) as "re-est",
    coalesce(final_points, final_issues) as final,
    coalesce(completed_points, completed_issues) as done,
    case
        when state <> 'closed' then state
        when committed_points is null then round(100 * say_do_issue_ratio)::int || ' %'
        else round(100 * say_do_ratio)::int || ' %'
    end as "say/do"
from velocity.sprint_velocity
qualify row_number() over (partition by board_id order by started_at desc) <= {NEWEST}
order by board_name, started_at
"""

_TRENDS = f"""
select
    board_name as board,
    strftime(month, '%Y-%m') || if(is_over, '', ' *') as month,
    if(committed_points is null, 'issues', 'points') as unit,
    coalesce(committed_points, committed_issues) as committed,
    coalesce(completed_points, completed_issues) as done,
    coalesce(carryover_points, carryover_issues) as carried,
    round(100 * if(committed_points is null, say_do_issue_ratio, say_do_ratio))::int || ' %' as "say/do"
from velocity.trends as trends
qualify row_number() over (partition by board_id order by trends.month desc) <= {NEWEST}
order by board_name, trends.month
"""

_PORTFOLIO = """
select
    board_name as board,
    strftime(active_planned_end_at, '%b %d') as ends,
    printf(
        '%g of %g',
        coalesce(active_completed_points, active_completed_issues)::double,
        coalesce(
            active_committed_points + active_scope_change_points, active_committed_issues + active_scope_change_issues
        )::double
    ) as done,
    round(coalesce(velocity_points, velocity_issues), 1)
        || if(velocity_points is null, ' issues', ' points') as velocity,
    printf('%+d %%', round(100 * coalesce(velocity_change_points, velocity_change_issues))::int) as change,
    open_p1_risks as "P1",
    open_p2_risks as "P2",
    open_p3_risks as "P3"
from velocity.portfolio
order by board_name
"""

_RISKS = f"""
select
    severity as " ",
    replace(kind, '_', ' ') as risk,
    count(*) over (partition by kind) as open,
    if(subject_kind = 'sprint', subject_name, subject_key) as highest,
    why
from risk.signals
where is_open
qualify row_number() over (partition by kind order by score desc, first_seen_at, signal_id) = 1
order by score desc, kind
limit {MOST_RISKS}
"""

#: Title, statement, and what is said when it finds no row.
OVERVIEW = (
    ("The newest sprints of each board", _SPRINTS, "No sprint has started yet."),
    ("The last months of each board (*: not over)", _TRENDS, "No sprint is closed yet, so there are no trends."),
    ("The active sprints, the velocity of the last five, and the open risks", _PORTFOLIO, "No board is shown."),
    ("The highest open risks: one of each kind, with how many are open", _RISKS, "No risk is open."),
)
