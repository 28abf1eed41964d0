"""Plays one team's sprints day by day, from a seed, with the disorder of real teams.

Scope is added, removed and added again. Estimates change before, during and after a sprint, are cleared, or are
missing. Work is done before the start and after the planned end, and is reopened inside a sprint or after its close.
Sprints close late and overlap. Issues move to another project. Each event happens at its time, in order, through the
same edits that the control door makes.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

from impulsum_pipelines.sandbox.jira import issues as edits
from impulsum_pipelines.sandbox.jira.history.teams import ScrumTeam
from impulsum_pipelines.sandbox.jira.history.words import Words, comment_text
from impulsum_pipelines.sandbox.jira.issues import JiraIssue
from impulsum_pipelines.sandbox.jira.site import JiraUser, Sprint, Status
from impulsum_pipelines.sandbox.jira.world import JiraWorld, add_link, comment_document, worklog_document

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SPRINT = 14 * DAY
#: How many issues there are for each planned one: the others appear during a sprint, or stay in the backlog.
WITH_UNPLANNED = 1.3
#: How many comments are collected before they are written, together with the histories and worklogs.
_BATCH = 1000
_POINTS = (1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 0.5)


class Season:
    """All sprints of one team up to now.

    Args:
        world: the site.
        team: whose sprints they are.
        others: the other teams; issues may move to their projects.
        rng: the source of every random choice.
        issues: how many issues are created in all.
        sprints: how many sprints close; one more is active.
        now: the end of the history (epoch ms).
    """

    def __init__(
        self,
        world: JiraWorld,
        team: ScrumTeam,
        others: list[ScrumTeam],
        rng: Random,
        *,
        issues: int,
        sprints: int,
        now: int,
    ) -> None:
        self.world = world
        self.team = team
        self.others = others
        self.rng = rng
        self.words = Words(rng, team.project.key)
        self.left = issues
        self.sprint_count = sprints
        self.per_sprint = max(3, round(issues / (sprints + 1) / WITH_UNPLANNED))
        self.now = now
        self.first_start = now - sprints * SPRINT - rng.randrange(4 * DAY, 9 * DAY)
        self.issues: list[JiraIssue] = []
        self.sprints: list[Sprint] = []
        self._comments: list[tuple[int, int, dict[str, Any]]] = []
        self._worklogs: list[tuple[int, int, int, dict[str, Any]]] = []
        self._queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._last = 0
        #: Issues that are or were in a sprint that is not closed, by sprint and id.
        self._seen_in: defaultdict[int, dict[int, JiraIssue]] = defaultdict(dict)
        #: The sprint for which the work on an issue is scheduled, by issue.
        self._working: dict[int, int] = {}

    def play(self) -> list[JiraIssue]:
        """Play all events. Histories, comments and worklogs are stored; the issues are returned, not yet stored."""
        first = self.first_start - 5 * DAY
        for _ in range(max(1, self.per_sprint // 12)):
            self._at(first, self._create_epic)
        for number in range(self.sprint_count + 2):
            self._at(self.first_start + number * SPRINT - 4 * DAY, self._plan, number)
        while self._queue:
            at, _, event, details = heapq.heappop(self._queue)
            if at > self.now:
                break
            self._last = max(at, self._last + 1)
            event(self._last, *details)
            if len(self._comments) > _BATCH:
                self._write()
        rest = self.left
        for place in range(rest, 0, -1):
            self._create(self.now - place * SPRINT // rest, None)
        self._write()
        return self.issues

    def _write(self) -> None:
        self.world.write_histories()
        self.world.store.add_comments(self._comments)
        self.world.store.add_worklogs(self._worklogs)
        self._comments.clear()
        self._worklogs.clear()

    # -- time and chance

    def _at(self, when: int, event: Callable[..., None], *details: Any) -> None:
        heapq.heappush(self._queue, (when, next(self._order), event, details))

    def _between(self, start: int, end: int) -> int:
        """A random time between two instants; during working hours if one is found within four tries."""
        for _ in range(4):
            at = start + int(self.rng.random() * max(1, end - start))
            days, in_day = divmod(at, DAY)
            if (days + 3) % 7 < 5 and 7 * HOUR < in_day < 19 * HOUR:  # epoch day 0 was a Thursday
                break
        return at

    def _chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def _somebody(self) -> JiraUser:
        return self.rng.choice(self.team.members)

    # -- sprints

    def _plan(self, at: int, number: int) -> None:
        """Create a sprint, and schedule its issues, its start and its close."""
        start = self.first_start + number * SPRINT
        planned_end = start + SPRINT - 2 * HOUR
        site = self.world.site
        sprint_id = max(site.sprints, default=0) + 1
        name = f"{self.team.project.key} Sprint {number + 1}"
        sprint = Sprint(sprint_id, name, self.team.board.id, created=at, started=start, ends=planned_end)
        site.sprints[sprint_id] = sprint
        self.sprints.append(sprint)
        begins = start + self.rng.randrange(3 * HOUR)
        late = self.rng.randrange(6 * HOUR, 3 * DAY) if self._chance(0.2) else self.rng.randrange(-HOUR, 2 * HOUR)
        closes = planned_end + late
        for _ in range(self.per_sprint):
            self._at(self._between(at, begins), self._create, sprint)
        for _ in range(round(self.per_sprint * 0.15)):
            self._at(self._between(begins, closes), self._create_inside, sprint)
        if number <= self.sprint_count:
            self._at(begins, self._start, sprint, closes)
        if number < self.sprint_count:
            self._at(closes, self._close, sprint, number)

    def _start(self, at: int, sprint: Sprint, closes: int) -> None:
        self.world.start_sprint(sprint, at)
        sprint.ends = at + SPRINT - 2 * HOUR
        for issue in list(self._seen_in[sprint.id].values()):
            if sprint.id in issue.sprint_ids:
                self._work_on(at, issue, sprint, closes)

    def _close(self, at: int, sprint: Sprint, number: int) -> None:
        self.world.complete_sprint(sprint, at)
        following = self.sprints[number + 1]
        for issue in self._seen_in.pop(sprint.id, {}).values():
            if sprint.id not in issue.sprint_ids or not self._ours(issue):
                continue
            if issue.fields["status"]["statusCategory"]["key"] == "done":
                if self._chance(0.03):
                    self._at(self._between(at, at + 10 * DAY), self._set_status, issue, self.team.workflow.in_progress)
            elif self._chance(0.85):
                self._at(at, self._set_sprint, issue, following)

    def _work_on(self, at: int, issue: JiraIssue, sprint: Sprint, closes: int) -> None:
        """Choose by chance what happens to an issue in a sprint, and schedule it."""
        if not self._ours(issue) or self._working.get(issue.id) == sprint.id:
            return
        self._working[issue.id] = sprint.id
        flow, when = self.team.workflow, sorted(self._between(at, closes) for _ in range(4))
        roll = self.rng.random()
        if roll < 0.85:
            self._at(when[0], self._advance, issue, flow.in_progress)
        if roll < 0.80 and self._chance(0.6):
            self._at(when[1], self._advance, issue, flow.in_review)
        if roll < 0.72:
            self._at(when[2], self._advance, issue, flow.done)
            if self._chance(0.05):
                self._at(when[3], self._set_status, issue, flow.in_progress)
        elif roll > 0.97:
            self._at(when[2], self._advance, issue, flow.cancelled)
        if self._chance(0.12):
            self._at(self._between(at, closes), self._estimate, issue, self._roll_points())
        if self._chance(0.06):
            out = self._between(at, closes)
            self._at(out, self._set_sprint, issue, None)
            if self._chance(0.5):
                self._at(self._between(out, closes), self._set_sprint, issue, sprint)
        if self._chance(0.01) and self.others:
            self._at(self._between(at, closes), self._move, issue)
        self._talk_about(at, closes, issue)

    def _talk_about(self, at: int, closes: int, issue: JiraIssue) -> None:
        while self._chance(0.4):
            self._at(self._between(at, closes), self._comment, issue)
        if self._chance(0.25):
            self._at(self._between(at, closes), self._log_work, issue)
        if self._chance(0.08):
            self._at(self._between(at, closes), self._link, issue)
        if self._chance(0.3):
            self._at(self._between(at, closes), self._hand_over, issue)
        if self._chance(0.08):
            self._at(self._between(at, closes), self._create_subtask, issue)

    # -- creating

    def _new(self, at: int, kind: str, **details: Any) -> JiraIssue | None:
        if self.left <= 0:
            return None
        self.left -= 1
        issue = edits.new_issue(
            self.world.next_id("issue"),
            self.team.project,
            at=at,
            type_name=kind,
            summary=self.words.title(kind),
            status=self.team.workflow.to_do,
            reporter=self._somebody(),
            priority=self.rng.choice(("High", "Medium", "Medium", "Low")),
            **details,
        )
        self.world.ledger.issue(issue, at)
        self.issues.append(issue)
        for sprint_id in issue.sprint_ids:
            self._seen_in[sprint_id][issue.id] = issue
        return issue

    def _create_epic(self, at: int) -> None:
        self._new(at, "Epic")

    def _create_subtask(self, at: int, parent: JiraIssue) -> None:
        if not self._ours(parent) or parent.is_subtask:
            return
        child = self._new(at, "Sub-task", parent=parent, sprint_ids=parent.sprint_ids)
        if child:
            self._at(at + self.rng.randrange(HOUR, 5 * DAY), self._advance, child, self.team.workflow.done)

    def _create(self, at: int, sprint: Sprint | None) -> None:
        """Create an issue for a sprint in planning: estimated now, later or never; put into it now or later."""
        estimates: dict[str, float] = {}
        field, roll = self.team.board.estimation_field, self.rng.random()
        if field and roll < 0.5:
            estimates[field] = self._roll_points()
        epics = [i for i in self.issues[:50] if i.fields["issuetype"]["name"] == "Epic"]
        inside = [sprint.id] if sprint and sprint.state == "future" and self._chance(0.3) else []
        issue = self._new(
            at,
            self.rng.choice(("Story", "Story", "Task", "Bug")),
            parent=self.rng.choice(epics) if epics and self._chance(0.6) else None,
            assignee=self._somebody() if self._chance(0.5) else None,
            sprint_ids=inside,
            estimates=estimates,
        )
        if issue is None or sprint is None or sprint.started is None:
            return
        start = sprint.started
        if field and 0.5 <= roll < 0.88:
            self._at(self._between(at, start), self._estimate, issue, self._roll_points())
        if self._chance(0.1):
            self._at(self._between(at, start + SPRINT), self._estimate, issue, self._roll_points())
        if self._chance(0.02):
            self._at(self._between(at, start + 2 * SPRINT), self._estimate, issue, None)
        if not inside and self._chance(0.9):
            self._at(self._between(at, start), self._set_sprint, issue, sprint)
        elif not inside:
            self._at(self._between(start, start + SPRINT), self._set_sprint, issue, sprint)
        if self._chance(0.03):
            self._at(self._between(at, start), self._advance, issue, self.team.workflow.done)

    def _create_inside(self, at: int, sprint: Sprint) -> None:
        """Create an issue directly in an active sprint."""
        if sprint.state != "active":
            return
        field = self.team.board.estimation_field
        estimates = {field: self._roll_points()} if field and self._chance(0.8) else {}
        issue = self._new(at, "Bug", sprint_ids=[sprint.id], estimates=estimates)
        if issue and sprint.ends:
            self._work_on(at, issue, sprint, sprint.ends)

    # -- editing

    def _ours(self, issue: JiraIssue) -> bool:
        """Whether an issue is still in the team's project."""
        return issue.project_id == self.team.project.id

    def _record(self, at: int, issue: JiraIssue, items: list[dict[str, Any]]) -> None:
        self.world.record(issue, items, self._somebody(), at)

    def _roll_points(self) -> float:
        return self.rng.choice(_POINTS)

    def _advance(self, at: int, issue: JiraIssue, status: Status) -> None:
        """Move an issue to a status unless it is done already."""
        if issue.fields["status"]["statusCategory"]["key"] != "done":
            self._set_status(at, issue, status)

    def _set_status(self, at: int, issue: JiraIssue, status: Status) -> None:
        if self._ours(issue):
            self._record(at, issue, edits.set_status(issue, status, at))

    def _estimate(self, at: int, issue: JiraIssue, points: float | None) -> None:
        field = self.team.board.estimation_field
        if field and self._ours(issue):
            self._record(at, issue, edits.set_number(issue, self.world.site.fields[field], points))

    def _set_sprint(self, at: int, issue: JiraIssue, sprint: Sprint | None) -> None:
        if not self._ours(issue) or issue.is_subtask or (sprint and sprint.state == "closed"):
            return
        self._record(at, issue, edits.move_to_sprint(issue, sprint.id if sprint else None, self.world.site))
        if sprint:
            self._seen_in[sprint.id][issue.id] = issue
        if sprint and sprint.state == "active" and sprint.ends:
            self._work_on(at, issue, sprint, max(sprint.ends, at + HOUR))

    def _hand_over(self, at: int, issue: JiraIssue) -> None:
        self._record(at, issue, edits.set_assignee(issue, self._somebody()))

    def _move(self, at: int, issue: JiraIssue) -> None:
        """Move an issue to another project, into the corresponding status there."""
        if not self._ours(issue) or issue.is_subtask:
            return
        other = self.rng.choice(self.others)
        old_key = issue.key
        items = edits.move_to_project(issue, self.team.project, other.project)
        target = self.team.workflow.counterpart(issue.status_id, other.workflow)
        items += edits.set_status(issue, target, at)
        self.world.store.db.execute("INSERT INTO moved_keys VALUES (?, ?)", [old_key, issue.id])
        self._record(at, issue, items)

    def _comment(self, at: int, issue: JiraIssue) -> None:
        number = self.world.next_id("comment")
        document = comment_document(issue.id, number, self._somebody(), comment_text(number), at)
        self._comments.append((number, issue.id, document))
        page = issue.fields["comment"]
        shown = [*page["comments"], document][: edits.INLINE_COMMENTS]
        issue.fields["comment"] = edits.comment_page(issue.id, shown, page["total"] + 1)
        self.world.touch(issue, at)

    def _log_work(self, at: int, issue: JiraIssue) -> None:
        seconds = self.rng.randrange(1, 17) * 1800
        number = self.world.next_id("worklog")
        document = worklog_document(issue.id, number, self._somebody(), seconds, at)
        self._worklogs.append((number, issue.id, at, document))
        spent = (issue.fields["timespent"] or 0) + seconds
        self._record(at, issue, edits.set_number(issue, self.world.site.fields["timespent"], spent))

    def _link(self, at: int, issue: JiraIssue) -> None:
        other = self.rng.choice(self.issues)
        if other is not issue:
            add_link(str(self.world.next_id("link")), issue, other)
            for end in (issue, other):
                self.world.touch(end, at)
