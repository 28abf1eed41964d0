"""The truth about every sprint, kept by plain bookkeeping while the history happens.

An event is entered once, at its time: a sprint starts or completes, an issue has new facts. Nothing is rebuilt
afterwards, so the numbers owe nothing to a changelog; they are what a model that reads the changelog must arrive at.

A *spell* is a stretch of an issue in a started sprint's scope: it opens when the sprint starts (``committed``), when
the issue joins (``added``) or when work that was done at the start is reopened inside (``reopened``, counted as
added), and ends when the issue leaves. For every sprint and at any time
``final = committed + added - removed + re-estimated`` in points, and without the last term in issues.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from impulsum_pipelines.sandbox.jira.issues import JiraIssue
from impulsum_pipelines.sandbox.jira.site import Document, JiraSiteData

#: How long after the completion of a sprint its issues are looked for in the sprints beside it, ms.
_MOVING_MS = 60_000


@dataclass
class _Facts:
    """What holds for one issue now."""

    sprints: frozenset[int]
    #: By field, for every field that a board estimates with.
    estimates: dict[str, float | None]
    #: Every status with the time at which it was entered, oldest first.
    statuses: list[tuple[int, str]]

    def done_since(self, done: frozenset[str]) -> int | None:
        """When the present stretch of being done began; None when it is not done."""
        since = None
        for at, status in reversed(self.statuses):
            if status not in done:
                break
            since = at
        return since


@dataclass
class _Spell:
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
class _SprintEntries:
    """The books of one sprint, from its start on."""

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
    #: When an issue came in (true) or went out, oldest first.
    moves: list[tuple[int, int, bool]] = field(default_factory=list)

    def estimate(self, facts: _Facts) -> float | None:
        return facts.estimates.get(self.estimate_field) if self.estimate_field else None

    def members_at(self, at: int) -> set[int]:
        """Who was in the sprint at a time after its start."""
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
    """How a sprint stands at one instant: its numbers, and the issues that later numbers refer to (with points)."""

    numbers: Document
    completed: dict[int, float]
    unfinished: dict[int, float]


class Ledger:
    """The books of all sprints of a site."""

    def __init__(self, site: JiraSiteData) -> None:
        self.site = site
        self._facts: dict[int, _Facts] = {}
        self._books: dict[int, _SprintEntries] = {}
        self._future_members: dict[int, set[int]] = {}

    def issue(self, issue: JiraIssue, at: int) -> None:
        """Enter what holds for an issue from ``at`` on. Sub-tasks follow their parent and are left out."""
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
        """Enter that an issue is gone from ``at`` on: it leaves every sprint that it is in."""
        before = self._facts.get(issue_id)
        if before:
            self._change(issue_id, before, _Facts(frozenset(), {}, before.statuses), at)
            del self._facts[issue_id]

    def _change(self, issue: int, before: _Facts | None, now: _Facts, at: int) -> None:
        self._facts[issue] = now
        earlier = before.sprints if before else frozenset()
        for sprint in earlier | now.sprints:
            book = self._books.get(sprint)
            if book is None:
                waiting = self._future_members.setdefault(sprint, set())
                (waiting.add if sprint in now.sprints else waiting.discard)(issue)
            elif before and sprint in earlier and sprint not in now.sprints:
                book.leave(issue, before, at)
            elif before and sprint in earlier:
                self._stay(book, issue, before, now)
            else:
                book.join(issue, at)
                book.enter(issue, "added", now)

    @staticmethod
    def _stay(book: _SprintEntries, issue: int, before: _Facts, now: _Facts) -> None:
        spell = book.open.get(issue)
        if spell is None:
            if now.done_since(book.done) is None:
                book.enter(issue, "reopened", now)
        elif book.estimate(before) != book.estimate(now):
            spell.reestimated += (book.estimate(now) or 0.0) - (book.estimate(before) or 0.0)
            spell.times_reestimated += 1

    def sprint_started(self, sprint_id: int, at: int) -> None:
        """Enter that a sprint starts with the issues that are in it now."""
        sprint = self.site.sprints[sprint_id]
        board = self.site.boards.get(sprint.board_id) if sprint.board_id is not None else None
        by_category = frozenset(s.id for s in self.site.statuses.values() if s.category == "done")
        book = _SprintEntries(
            sprint_id,
            sprint.board_id,
            at,
            done=(board.done_statuses if board else frozenset()) or by_category,
            estimate_field=board.estimation_field if board else None,
        )
        for issue in self._future_members.pop(sprint_id, set()):
            book.join(issue, at)
        book.at_start = frozenset(book.members)
        for issue in sorted(book.members):
            facts = self._facts[issue]
            if facts.done_since(book.done) is None:
                book.enter(issue, "committed", facts)
        self._books[sprint_id] = book

    def sprint_completed(self, sprint_id: int, at: int) -> None:
        """Enter that a sprint completes: its numbers are frozen."""
        book = self._books[sprint_id]
        book.closed, book.completed = self._standing(book), at

    def sprint_reopened(self, sprint_id: int) -> None:
        """Enter that a closed sprint is active again: the books go on as if it had never closed."""
        book = self._books[sprint_id]
        book.closed = book.completed = None

    def _standing(self, book: _SprintEntries) -> _Standing:
        """How a sprint stands now."""
        facts = self._facts
        final = {issue: book.estimate(facts[issue]) for issue in book.open}
        since = {issue: facts[issue].done_since(book.done) for issue in book.members}
        completed = {i: p or 0.0 for i, p in final.items() if (done := since[i]) is not None and done > book.started}
        outside = [i for i in book.members if (done := since[i]) is not None and done <= book.started]
        unfinished = {i: p or 0.0 for i, p in final.items() if since[i] is None}
        committed = {s.issue: s.points for s in book.spells if s.kind == "committed"}
        removed = [s for s in book.spells if s.ended]
        reestimated: dict[int, float] = {}
        for spell in book.spells:
            if spell.times_reestimated:
                reestimated[spell.issue] = reestimated.get(spell.issue, 0.0) + spell.reestimated
        on_board = self._statuses_on_board(book.board)
        numbers: Document = {}

        def amount(name: str, points: Iterable[float]) -> None:
            listed = list(points)
            numbers[f"{name}_points"] = sum(listed) if book.estimate_field else None
            numbers[f"{name}_issues"] = len(listed)

        amount("committed", committed.values())
        amount("added", (s.points for s in book.spells if s.kind != "committed"))
        amount("removed", (s.removed_points for s in removed))
        amount("reestimated", reestimated.values())
        amount("final", (p or 0.0 for p in final.values()))
        amount("completed", completed.values())
        amount("completed_committed", (p for i, p in committed.items() if i in completed))
        amount("completed_outside", (book.estimate(facts[i]) or 0.0 for i in outside))
        amount("done_then_removed", (s.removed_points for s in removed if s.done_when_removed))
        amount("unfinished", unfinished.values())
        numbers["unestimated_issues"] = sum(points is None for points in final.values())
        numbers["unestimated_committed_issues"] = sum(s.unestimated for s in book.spells if s.kind == "committed")
        numbers["unmapped_status_issues"] = sum(facts[i].statuses[-1][1] not in on_board for i in final if on_board)
        return _Standing(numbers, completed, unfinished)

    def _statuses_on_board(self, board_id: int | None) -> frozenset[str]:
        board = self.site.boards.get(board_id) if board_id is not None else None
        return frozenset(s for _, statuses in board.columns for s in statuses) if board else frozenset()

    def _later_members(self, book: _SprintEntries) -> set[int]:
        """Issues that went on in another sprint of the board.

        In one that was open as this one ended, a minute later (now, when it has not ended): the issues of a sprint are
        moved once it is complete. Or in the first that started from then on, at its start; in a planned one now, while
        none has started. Sprints that were deleted since do not count.
        """
        if book.board is None:
            return set()
        others = [b for b in self._books.values() if b.board == book.board and b is not book]
        others = [b for b in others if b.sprint in self.site.sprints]
        end = book.completed
        if end is None:
            later = []
            found = [b.members for b in others if b.completed is None]
        else:
            later = [b for b in others if b.started >= end]
            beside = [b for b in others if b.started < end and (b.completed is None or b.completed > end)]
            found = [b.members_at(end + _MOVING_MS) for b in beside]
        if later:
            first = min(b.started for b in later)
            found += [set(b.at_start) for b in later if b.started == first]
        else:
            planned = [s.id for s in self.site.sprints.values() if s.state == "future" and s.board_id == book.board]
            found += [self._future_members.get(sprint, set()) for sprint in planned]
        return set().union(*found)

    def sprints(self) -> list[Document]:
        """The numbers of every started sprint, in the order of their start; of an active one, as of now."""
        return [self._row(book) for book in sorted(self._books.values(), key=lambda b: (b.started, b.sprint))]

    def _row(self, book: _SprintEntries) -> Document:
        standing = book.closed or self._standing(book)
        numbers = standing.numbers
        sprint = self.site.sprints.get(book.sprint)
        carried = self._later_members(book) & standing.unfinished.keys()
        reopened = [
            i
            for i in (book.closed.completed if book.closed else ())
            if i in self._facts and self._facts[i].done_since(book.done) is None
        ]

        def points(amounts: Iterable[float]) -> float | None:
            return sum(amounts) if book.estimate_field else None

        def ratio(part: float | None, whole: float | None) -> float | None:
            return part / whole if part is not None and whole else None

        return {
            "sprint_id": str(book.sprint),
            "state": sprint.state if sprint else ("closed" if book.closed else "active"),
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
