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

from impulsum_pipelines.sandbox.jira.issues import Issue
from impulsum_pipelines.sandbox.jira.site import Document, Site


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
class _Book:
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

    def estimate(self, facts: _Facts) -> float | None:
        return facts.estimates.get(self.estimate_field) if self.estimate_field else None

    def enter(self, issue: int, kind: Literal["committed", "added", "reopened"], facts: _Facts) -> None:
        estimate = self.estimate(facts)
        spell = _Spell(issue, kind, estimate or 0.0, estimate is None)
        self.spells.append(spell)
        self.open[issue] = spell

    def leave(self, issue: int, before: _Facts) -> None:
        self.members.discard(issue)
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

    def __init__(self, site: Site) -> None:
        self.site = site
        self._facts: dict[int, _Facts] = {}
        self._books: dict[int, _Book] = {}
        self._future_members: dict[int, set[int]] = {}

    def issue(self, issue: Issue, at: int) -> None:
        """Enter what holds for an issue from ``at`` on. Sub-tasks follow their parent and are left out."""
        if issue.is_subtask:
            return
        before = self._facts.get(issue.id)
        statuses = before.statuses if before else []
        if not statuses or statuses[-1][1] != issue.status_id:
            statuses = [*statuses, (at, issue.status_id)]
        self._change(issue.id, before, _Facts(frozenset(issue.sprint_ids), self._estimates(issue), statuses))

    def _estimates(self, issue: Issue) -> dict[str, float | None]:
        return {
            board.estimation_field: issue.fields.get(board.estimation_field)
            for board in self.site.boards.values()
            if board.estimation_field
        }

    def issue_deleted(self, issue_id: int) -> None:
        """Enter that an issue is gone: it leaves every sprint that it is in."""
        before = self._facts.get(issue_id)
        if before:
            self._change(issue_id, before, _Facts(frozenset(), {}, before.statuses))
            del self._facts[issue_id]

    def _change(self, issue: int, before: _Facts | None, now: _Facts) -> None:
        self._facts[issue] = now
        earlier = before.sprints if before else frozenset()
        for sprint in earlier | now.sprints:
            book = self._books.get(sprint)
            if book is None:
                waiting = self._future_members.setdefault(sprint, set())
                (waiting.add if sprint in now.sprints else waiting.discard)(issue)
            elif before and sprint in earlier and sprint not in now.sprints:
                book.leave(issue, before)
            elif before and sprint in earlier:
                self._stay(book, issue, before, now)
            else:
                book.members.add(issue)
                book.enter(issue, "added", now)

    @staticmethod
    def _stay(book: _Book, issue: int, before: _Facts, now: _Facts) -> None:
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
        book = _Book(
            sprint_id,
            sprint.board_id,
            at,
            done=(board.done_statuses if board else frozenset()) or by_category,
            estimate_field=board.estimation_field if board else None,
        )
        book.members = self._future_members.pop(sprint_id, set())
        book.at_start = frozenset(book.members)
        for issue in sorted(book.members):
            facts = self._facts[issue]
            if facts.done_since(book.done) is None:
                book.enter(issue, "committed", facts)
        self._books[sprint_id] = book

    def sprint_completed(self, sprint_id: int) -> None:
        """Enter that a sprint completes: its numbers are frozen."""
        book = self._books[sprint_id]
        book.closed = self._standing(book)

    def sprint_reopened(self, sprint_id: int) -> None:
        """Enter that a closed sprint is active again: the books go on as if it had never closed."""
        self._books[sprint_id].closed = None

    def _standing(self, book: _Book) -> _Standing:
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

    def _next_members(self, book: _Book) -> set[int] | frozenset[int]:
        """Issues of the board's next sprint: at its start, or now when it has not started."""
        later = [b for b in self._books.values() if b.board == book.board and b.started > book.started]
        if later:
            return min(later, key=lambda b: b.started).at_start
        future = [s.id for s in self.site.sprints.values() if s.state == "future" and s.board_id == book.board]
        return set().union(*(self._future_members.get(sprint, set()) for sprint in future))

    def sprints(self) -> list[Document]:
        """The numbers of every started sprint, in the order of their start; of an active one, as of now."""
        return [self._row(book) for book in sorted(self._books.values(), key=lambda b: (b.started, b.sprint))]

    def _row(self, book: _Book) -> Document:
        standing = book.closed or self._standing(book)
        numbers = standing.numbers
        sprint = self.site.sprints.get(book.sprint)
        carried = self._next_members(book) & standing.unfinished.keys()
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
