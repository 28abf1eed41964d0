"""The truth about every sprint, recorded while the history happens.

Each event is entered once, at its time: a sprint starts or completes, an issue changes. Nothing is rebuilt
afterwards, so the numbers do not depend on a changelog; a model that reads the changelog must reach the same numbers.

A *spell* is a stretch of time for which an issue is in the scope of a started sprint. It opens when the sprint starts
(``committed``), when the issue joins (``added``), or when work that was done at the start is reopened inside
(``reopened``, counted as added); it ends when the issue leaves. For every sprint and at any time
``final = committed + added - removed + re-estimated`` in points, and the same without the last term in issues.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from impulsum_pipelines.sandbox.jira.issues import JiraIssue
from impulsum_pipelines.sandbox.jira.site import Document, JiraSiteData

#: How long after the completion of a sprint its issues may be moved to an open one, ms.
_MOVING_MS = 60_000


@dataclass
class _Facts:
    """What the ledger needs of one issue as it is now."""

    sprints: frozenset[int]
    #: The value of every field that a board estimates with, by field.
    estimates: dict[str, float | None]
    #: Every status with the time at which it was entered, oldest first.
    statuses: list[tuple[int, str]]

    def done_since(self, done: frozenset[str]) -> int | None:
        """Since when (epoch ms) the issue has been done without a break; None when it is not done."""
        since = None
        for at, status in reversed(self.statuses):
            if status not in done:
                break
            since = at
        return since


@dataclass
class _Spell:
    """One stretch of an issue in a sprint's scope."""

    issue: int
    kind: Literal["committed", "added", "reopened"]
    points: float
    unestimated: bool
    reestimated: float = 0.0
    times_reestimated: int = 0
    ended: bool = False
    removed_points: float = 0.0
    done_when_removed: bool = False


@dataclass
class _SprintRecord:
    """What happened to one sprint, from its start on."""

    sprint: int
    board: int | None
    started: int
    done: frozenset[str]
    estimate_field: str | None
    at_start: frozenset[int] = frozenset()
    members: set[int] = field(default_factory=set)
    spells: list[_Spell] = field(default_factory=list)
    open: dict[int, _Spell] = field(default_factory=dict)
    closed: _Standing | None = None
    completed: int | None = None
    #: (time, issue, True when it came in and False when it left), oldest first.
    moves: list[tuple[int, int, bool]] = field(default_factory=list)

    def estimate(self, facts: _Facts) -> float | None:
        return facts.estimates.get(self.estimate_field) if self.estimate_field else None

    def members_at(self, at: int) -> set[int]:
        """The issues that were in the sprint at a time after its start."""
        inside: set[int] = set()
        for when, issue, is_in in self.moves:
            if when <= at:
                (inside.add if is_in else inside.discard)(issue)
        return inside

    def enter(self, issue: int, kind: Literal["committed", "added", "reopened"], facts: _Facts) -> None:
        estimate = self.estimate(facts)
        spell = _Spell(issue, kind, estimate or 0.0, estimate is None)
        self.spells.append(spell)
        self.open[issue] = spell

    def join(self, issue: int, at: int) -> None:
        self.members.add(issue)
        self.moves.append((at, issue, True))

    def leave(self, issue: int, before: _Facts, at: int) -> None:
        self.members.discard(issue)
        self.moves.append((at, issue, False))
        spell = self.open.pop(issue, None)
        if spell:
            since = before.done_since(self.done)
            spell.ended = True
            spell.removed_points = self.estimate(before) or 0.0
            spell.done_when_removed = since is not None and since > self.started


@dataclass(frozen=True)
class _Standing:
    """A sprint at one instant: its numbers, and the completed and unfinished issues with their points."""

    numbers: Document
    completed: dict[int, float]
    unfinished: dict[int, float]


class Ledger:
    """The records of all sprints of a site."""

    def __init__(self, site: JiraSiteData) -> None:
        self.site = site
        self._facts: dict[int, _Facts] = {}
        self._records: dict[int, _SprintRecord] = {}
        self._future_members: dict[int, set[int]] = {}

    def issue(self, issue: JiraIssue, at: int) -> None:
        """Enter an issue as it is from ``at`` (epoch ms) on. Sub-tasks follow their parent and are left out."""
        if issue.is_subtask:
            return
        before = self._facts.get(issue.id)
        statuses = before.statuses if before else []
        if not statuses or statuses[-1][1] != issue.status_id:
            statuses = [*statuses, (at, issue.status_id)]
        self._change(issue.id, before, _Facts(frozenset(issue.sprint_ids), self._estimates(issue), statuses), at)

    def _estimates(self, issue: JiraIssue) -> dict[str, float | None]:
        return {
            board.estimation_field: issue.fields.get(board.estimation_field)
            for board in self.site.boards.values()
            if board.estimation_field
        }

    def issue_deleted(self, issue_id: int, at: int) -> None:
        """Enter that an issue is deleted at ``at`` (epoch ms): it leaves every sprint that it is in."""
        before = self._facts.get(issue_id)
        if before:
            self._change(issue_id, before, _Facts(frozenset(), {}, before.statuses), at)
            del self._facts[issue_id]

    def _change(self, issue: int, before: _Facts | None, now: _Facts, at: int) -> None:
        self._facts[issue] = now
        earlier = before.sprints if before else frozenset()
        for sprint in earlier | now.sprints:
            record = self._records.get(sprint)
            if record is None:
                waiting = self._future_members.setdefault(sprint, set())
                (waiting.add if sprint in now.sprints else waiting.discard)(issue)
            elif before and sprint in earlier and sprint not in now.sprints:
                record.leave(issue, before, at)
            elif before and sprint in earlier:
                self._stay(record, issue, before, now)
            else:
                record.join(issue, at)
                record.enter(issue, "added", now)

    @staticmethod
    def _stay(record: _SprintRecord, issue: int, before: _Facts, now: _Facts) -> None:
        spell = record.open.get(issue)
        if spell is None:
            if now.done_since(record.done) is None:
                record.enter(issue, "reopened", now)
        elif record.estimate(before) != record.estimate(now):
            spell.reestimated += (record.estimate(now) or 0.0) - (record.estimate(before) or 0.0)
            spell.times_reestimated += 1

    def sprint_started(self, sprint_id: int, at: int) -> None:
        """Enter that a sprint starts at ``at`` (epoch ms) with the issues that are in it now."""
        sprint = self.site.sprints[sprint_id]
        board = self.site.boards.get(sprint.board_id) if sprint.board_id is not None else None
        by_category = frozenset(s.id for s in self.site.statuses.values() if s.category == "done")
        record = _SprintRecord(
            sprint_id,
            sprint.board_id,
            at,
            done=(board.done_statuses if board else frozenset()) or by_category,
            estimate_field=board.estimation_field if board else None,
        )
        for issue in self._future_members.pop(sprint_id, set()):
            record.join(issue, at)
        record.at_start = frozenset(record.members)
        for issue in sorted(record.members):
            facts = self._facts[issue]
            if facts.done_since(record.done) is None:
                record.enter(issue, "committed", facts)
        self._records[sprint_id] = record

    def sprint_completed(self, sprint_id: int, at: int) -> None:
        """Enter that a sprint completes at ``at`` (epoch ms), which freezes its numbers."""
        record = self._records[sprint_id]
        record.closed, record.completed = self._standing(record), at

    def sprint_reopened(self, sprint_id: int) -> None:
        """Enter that a closed sprint is active again: its record continues as if it had never closed."""
        record = self._records[sprint_id]
        record.closed = record.completed = None

    def _standing(self, record: _SprintRecord) -> _Standing:
        """The sprint as it is now."""
        facts = self._facts
        final = {issue: record.estimate(facts[issue]) for issue in record.open}
        since = {issue: facts[issue].done_since(record.done) for issue in record.members}
        completed = {i: p or 0.0 for i, p in final.items() if (done := since[i]) is not None and done > record.started}
        outside = [i for i in record.members if (done := since[i]) is not None and done <= record.started]
        unfinished = {i: p or 0.0 for i, p in final.items() if since[i] is None}
        committed = {s.issue: s.points for s in record.spells if s.kind == "committed"}
        removed = [s for s in record.spells if s.ended]
        reestimated: dict[int, float] = {}
        for spell in record.spells:
            if spell.times_reestimated:
                reestimated[spell.issue] = reestimated.get(spell.issue, 0.0) + spell.reestimated
        on_board = self._statuses_on_board(record.board)
        numbers: Document = {}

        def amount(name: str, points: Iterable[float]) -> None:
            listed = list(points)
            numbers[f"{name}_points"] = sum(listed) if record.estimate_field else None
            numbers[f"{name}_issues"] = len(listed)

        amount("committed", committed.values())
        amount("added", (s.points for s in record.spells if s.kind != "committed"))
        amount("removed", (s.removed_points for s in removed))
        amount("reestimated", reestimated.values())
        amount("final", (p or 0.0 for p in final.values()))
        amount("completed", completed.values())
        amount("completed_committed", (p for i, p in committed.items() if i in completed))
        amount("completed_outside", (record.estimate(facts[i]) or 0.0 for i in outside))
        amount("done_then_removed", (s.removed_points for s in removed if s.done_when_removed))
        amount("unfinished", unfinished.values())
        numbers["unestimated_issues"] = sum(points is None for points in final.values())
        numbers["unestimated_committed_issues"] = sum(s.unestimated for s in record.spells if s.kind == "committed")
        numbers["unmapped_status_issues"] = sum(facts[i].statuses[-1][1] not in on_board for i in final if on_board)
        return _Standing(numbers, completed, unfinished)

    def _statuses_on_board(self, board_id: int | None) -> frozenset[str]:
        board = self.site.boards.get(board_id) if board_id is not None else None
        return frozenset(s for _, statuses in board.columns for s in statuses) if board else frozenset()

    def _later_members(self, record: _SprintRecord) -> set[int]:
        """Issues that continue in another sprint of the board.

        They are in one that was open when this one ended, a minute after that end (or now, when this one has not
        ended), because issues are moved once a sprint is complete. Or they were in the first sprint that started
        afterwards, at its start; while none has started, they are in a planned one now. Sprints that have been deleted
        do not count.
        """
        if record.board is None:
            return set()
        others = [r for r in self._records.values() if r.board == record.board and r is not record]
        others = [r for r in others if r.sprint in self.site.sprints]
        end = record.completed
        if end is None:
            later = []
            found = [r.members for r in others if r.completed is None]
        else:
            later = [r for r in others if r.started >= end]
            beside = [r for r in others if r.started < end and (r.completed is None or r.completed > end)]
            found = [r.members_at(end + _MOVING_MS) for r in beside]
        if later:
            first = min(r.started for r in later)
            found += [set(r.at_start) for r in later if r.started == first]
        else:
            planned = [s.id for s in self.site.sprints.values() if s.state == "future" and s.board_id == record.board]
            found += [self._future_members.get(sprint, set()) for sprint in planned]
        return set().union(*found)

    def sprints(self) -> list[Document]:
        """The numbers of every started sprint, in the order in which they started; an active one's as of now."""
        return [self._row(record) for record in sorted(self._records.values(), key=lambda r: (r.started, r.sprint))]

    def _row(self, record: _SprintRecord) -> Document:
        standing = record.closed or self._standing(record)
        numbers = standing.numbers
        sprint = self.site.sprints.get(record.sprint)
        carried = self._later_members(record) & standing.unfinished.keys()
        reopened = [
            i
            for i in (record.closed.completed if record.closed else ())
            if i in self._facts and self._facts[i].done_since(record.done) is None
        ]

        def points(amounts: Iterable[float]) -> float | None:
            return sum(amounts) if record.estimate_field else None

        def ratio(numerator: float | None, denominator: float | None) -> float | None:
            return numerator / denominator if numerator is not None and denominator else None

        return {
            "sprint_id": str(record.sprint),
            "state": sprint.state if sprint else ("closed" if record.closed else "active"),
            "is_deleted": sprint is None,
            **numbers,
            "carryover_points": points(standing.unfinished[i] for i in carried),
            "carryover_issues": len(carried),
            "say_do_ratio": ratio(numbers["completed_committed_points"], numbers["committed_points"]),
            "say_do_issue_ratio": ratio(numbers["completed_committed_issues"], numbers["committed_issues"]),
            "throughput_ratio": ratio(numbers["completed_points"], numbers["committed_points"]),
            "reopened_since_close_points": points(standing.completed[i] for i in reopened),
            "reopened_since_close_issues": len(reopened),
        }
