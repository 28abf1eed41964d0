"""Velocity by bookkeeping: the same definitions as the models', from the timelines themselves, in plain Python.

It never sees a changelog, a span or SQL. So when both agree, the past was rebuilt and counted correctly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from impulsum_pipelines_tests.marts.velocity.world import (
    CATEGORIES,
    POINT_ESTIMATE,
    STORY_POINTS,
    Board,
    Issue,
    Sprint,
    Timeline,
    World,
)

MEASURES = [
    "committed",
    "added",
    "removed",
    "reestimated",
    "final",
    "completed",
    "completed_committed",
    "completed_outside",
    "done_then_removed",
    "unfinished",
    "carryover",
    "reopened_since_close",
]


def steps(line: Timeline) -> Timeline:
    """The timeline with one value per minute: the last one."""
    return list(dict(line).items())


def value(line: Timeline, minute: int) -> Any:
    """The value at a minute; None before the first one."""
    held = [entry for when, entry in line if when <= minute]
    return held[-1] if held else None


@dataclass
class Rules:
    """The rules of one sprint: which statuses are done, which are on the board, and which field has the points."""

    done: frozenset[str]
    mapped: frozenset[str] | None
    field: str | None


def rules_of(sprint: Sprint, world: World) -> Rules:
    """The board's rules; by category and by the points field in use where the board is not known."""
    board: Board | None = next((b for b in world.boards if b.id == sprint.board), None)
    by_category = frozenset(status for status, category in CATEGORIES.items() if category == "done")
    if board is None:
        uses: Counter[str] = Counter()
        for issue in world.issues:
            if any(sprint.id in ids for minute, ids in steps(issue.sprints) if not gone(issue, minute)):
                for name in (STORY_POINTS, POINT_ESTIMATE):
                    line = steps(issue.points.get(name, []))
                    uses[name] += any(points is not None for _, points in line)
        best = min(uses, key=lambda name: (-uses[name], name), default=None)
        return Rules(by_category, None, best if best and uses[best] else None)
    if not board.columns:
        return Rules(by_category, None, board.estimation)
    return Rules(frozenset(board.columns[-1]), frozenset(s for c in board.columns for s in c), board.estimation)


def gone(issue: Issue, minute: int) -> bool:
    return issue.deleted is not None and minute >= issue.deleted


def done_since(issue: Issue, minute: int, done: frozenset[str]) -> int | None:
    """Since when the issue has been done at a minute; None when it is not."""
    line = steps(issue.status)
    if len(issue.status) == 1 and issue.resolved is not None and line[0][1] in done:
        line = [(max(issue.resolved, line[0][0]), line[0][1])]
    since = None
    for when, status in line:
        if when > minute:
            break
        since = (when if since is None else since) if status in done else None
    return since


def memberships(issue: Issue, sprint: Sprint, *, as_subtask: bool = True) -> list[tuple[int, int | None]]:
    """[joined, left) of the issue in the sprint; left is None while it is in. On request not while it is a sub-task."""
    spells: list[tuple[int, int | None]] = []
    joined: int | None = None
    minutes = {when for when, _ in [*issue.sprints, *issue.subtask]}
    for when in sorted(minutes | ({issue.deleted} if issue.deleted is not None else set())):
        is_in = sprint.id in (value(issue.sprints, when) or ()) and not gone(issue, when)
        is_in = is_in and (as_subtask or not value(issue.subtask, when))
        if is_in and joined is None:
            joined = when
        elif not is_in and joined is not None:
            spells.append((joined, when))
            joined = None
    return spells + ([(joined, None)] if joined is not None else [])


def ended(sprint: Sprint, now: int) -> int:
    if sprint.state == "active":
        return now
    return sprint.end if sprint.complete is None else sprint.complete


def velocity(sprint: Sprint, world: World) -> dict[str, Any]:
    """The numbers of one started sprint."""
    assert sprint.start is not None
    rules, t0, t1 = rules_of(sprint, world), sprint.start, ended(sprint, world.now)
    points: dict[str, Decimal] = {measure: Decimal(0) for measure in MEASURES}
    issues: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    reestimated: set[str] = set()

    def count(measure: str, amount: Any) -> None:
        points[measure] += Decimal(str(amount or 0))
        issues[measure] += 1

    for issue in world.issues:
        estimates = steps(issue.points.get(rules.field or "", []))
        committed_points, was_committed, was_completed = None, False, False
        for joined, left_ever in memberships(issue, sprint, as_subtask=False):
            left = left_ever if left_ever is not None and left_ever <= t1 else None
            if joined > t1 or (left_ever is not None and left_ever <= t0):
                continue
            last = t1 if left is None else left - 1
            since = done_since(issue, last, rules.done)
            if left is None and since is not None and since <= t0:
                count("completed_outside", value(estimates, t1))
            if joined > t0:
                kind, start = "added", joined
            elif done_since(issue, t0, rules.done) is None:
                kind, start = "committed", t0
            else:
                reopened = [m for m in range(t0 + 1, last + 1) if done_since(issue, m, rules.done) is None]
                if not reopened:
                    continue
                kind, start = "added", reopened[0]
            first_points, last_points = value(estimates, start), value(estimates, last)
            count(kind, first_points)
            if kind == "committed":
                was_committed, committed_points = True, first_points
                counts["unestimated_committed_issues"] += first_points is None
            for minute in range(start + 1, last + 1):
                before, after = value(estimates, minute - 1), value(estimates, minute)
                if before != after:
                    points["reestimated"] += Decimal(str(after or 0)) - Decimal(str(before or 0))
                    reestimated.add(issue.id)
            if left is not None:
                count("removed", last_points)
                if since is not None and since > t0:
                    count("done_then_removed", last_points)
                continue
            count("final", last_points)
            counts["unestimated_issues"] += last_points is None
            counts["unmapped_status_issues"] += (
                rules.mapped is not None and value(steps(issue.status), t1) not in rules.mapped
            )
            if since is None:
                count("unfinished", last_points)
                if carried(issue, sprint, world):
                    count("carryover", last_points)
            elif since > t0:
                was_completed = True
                count("completed", last_points)
                if done_since(issue, world.now, rules.done) is None:
                    count("reopened_since_close", last_points)
        if was_committed and was_completed:
            count("completed_committed", committed_points)
    issues["reestimated"] = len(reestimated)
    row: dict[str, Any] = {f"{m}_points": points[m] if rules.field else None for m in MEASURES}
    row |= {f"{m}_issues": issues[m] for m in MEASURES}
    row |= {n: counts[n] for n in ("unestimated_issues", "unestimated_committed_issues", "unmapped_status_issues")}
    return row


def carried(issue: Issue, sprint: Sprint, world: World) -> bool:
    """Whether an unfinished issue went on in another sprint of the board.

    In one that was open as this one ended, a minute later; in the first that started from then on, as it started; or,
    while there is none, in a planned one now.
    """
    end = ended(sprint, world.now)
    others = [s for s in world.sprints if s.id != sprint.id and s.board == sprint.board is not None and not s.deleted]
    started = [s for s in others if s.state != "future"]
    starts = {s.id: s.start for s in started if s.start is not None}
    first = min((start for start in starts.values() if start >= end), default=None)
    looks = [(s, end + 1) for s in started if starts[s.id] < end and (s.state == "active" or ended(s, world.now) > end)]
    looks += [(s, starts[s.id]) for s in started if starts[s.id] == first]
    looks += [(s, world.now) for s in others if s.state == "future" and first is None]
    return any(
        joined <= minute and (left is None or minute < left)
        for other, minute in looks
        for joined, left in memberships(issue, other)
    )
