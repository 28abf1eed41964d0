"""The control door: how a test, a demo or a curious person changes the sandbox, as JSON over HTTP.

``POST /_sandbox/<verb>`` takes the verb's arguments as an object. The verbs are the public methods of
:class:`Control`; ``GET /_sandbox/`` lists them. The verbs of the other services are at ``/_sandbox/<service>/``.
"""

from __future__ import annotations

import inspect
from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from impulsum_pipelines.sandbox.clock import to_datetime
from impulsum_pipelines.sandbox.faults import Faults
from impulsum_pipelines.sandbox.jira import issues as edits
from impulsum_pipelines.sandbox.jira.issues import JiraIssue
from impulsum_pipelines.sandbox.jira.site import Project, Sprint, Status
from impulsum_pipelines.sandbox.jira.world import JiraWorld

Answer = dict[str, Any]


def verbs_of(control: object) -> dict[str, str]:
    """Every verb of a control door with its signature and the first line of its description."""
    methods = inspect.getmembers(control, inspect.ismethod)
    return {
        name: f"{inspect.signature(method)}: {(method.__doc__ or '').splitlines()[0]}"
        for name, method in methods
        if not name.startswith("_")
    }


class Control:
    """The verbs for Jira, the clock and the faults. Issues and projects are named by id or key, sprints by id."""

    def __init__(self, world: JiraWorld, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        #: Requests answered since the last reset, by method and path.
        self._requests: Counter[str] = Counter()

    def _count(self, method: str, path: str) -> None:
        self._requests[f"{method} {path}"] += 1

    def _issue_id(self, issue: str) -> int:
        found = self._world.store.find(str(issue))
        if found is None:
            raise LookupError(f"there is no issue {issue}")
        return found

    def _project(self, project: str) -> Project:
        for found in self._world.site.projects.values():
            if project in (found.key, found.id):
                return found
        raise LookupError(f"there is no project {project}")

    def _sprint(self, sprint: int) -> Sprint:
        try:
            return self._world.site.sprints[int(sprint)]
        except KeyError:
            raise LookupError(f"there is no sprint {sprint}") from None

    def _status(self, status: str, project: Project) -> Status:
        named = [s for s in self._world.site.statuses.values() if status in (s.id, s.name)]
        for found in sorted(named, key=lambda s: s.project_id != project.id):
            if found.project_id in (None, project.id):
                return found
        raise LookupError(f"there is no status {status} in {project.key}")

    def _named(self, issue: JiraIssue) -> Answer:
        return {"id": str(issue.id), "key": issue.key, "updated": to_datetime(issue.updated).isoformat()}

    # -- reading

    def truth(self) -> Answer:
        """What every started sprint committed, added, removed and completed, as of now."""
        return self._world.truth()

    def ids(self) -> Answer:
        """Ids of the issues of every project, by its key; issues of hidden projects too."""
        store = self._world.store
        return {
            project.key: [
                str(row[0])
                for row in store.db.execute("SELECT id FROM issues WHERE project_id = ? ORDER BY id", [project.id])
            ]
            for project in self._world.site.projects.values()
        }

    def sprints(self) -> Answer:
        """Every sprint: id, name, state, board."""
        return {
            "sprints": [
                {"id": s.id, "name": s.name, "state": s.state, "board_id": s.board_id}
                for s in self._world.site.sprints.values()
            ]
        }

    def stats(self, reset: bool = False) -> Answer:
        """Requests answered since the last reset: the total, and by method and path."""
        answer = {"requests": sum(self._requests.values()), "by_path": dict(self._requests)}
        if reset:
            self._requests.clear()
        return answer

    # -- the clock

    def clock(self, now: str | None = None, advance_seconds: float = 0, freeze: bool | None = None) -> Answer:
        """Set, move, freeze (true) or unfreeze (false) the clock."""
        clock = self._world.clock
        if freeze is not None:
            clock.freeze(freeze)
        if now is not None:
            clock.set(datetime.fromisoformat(now))
        if advance_seconds:
            clock.advance(advance_seconds)
        return {"now": to_datetime(clock.now()).isoformat()}

    # -- issues

    def create_issue(
        self,
        project: str,
        summary: str = "A new issue",
        type: str = "Story",
        status: str = "To Do",
        sprint: int | None = None,
        estimate: float | None = None,
        parent: str | None = None,
    ) -> Answer:
        """Create an issue; the estimate goes into the field that the project's board estimates with."""
        at = self._project(project)
        issue = self._world.create(
            at,
            type_name=type,
            summary=summary,
            status=self._status(status, at),
            sprint_ids=[self._sprint(sprint).id] if sprint is not None else [],
            estimates={self._estimation_field(at): estimate} if estimate is not None else {},
            parent=self._world.store.issue(self._issue_id(parent)) if parent else None,
        )
        return self._named(issue)

    def _estimation_field(self, project: Project) -> str:
        for board in self._world.site.boards.values():
            if board.project_id == project.id and board.estimation_field:
                return board.estimation_field
        raise LookupError(f"no board of {project.key} estimates with a field")

    def edit_issue(
        self,
        issue: str,
        summary: str | None = None,
        labels: list[str] | None = None,
        assignee: str | None = None,
        due_date: str | None = None,
    ) -> Answer:
        """Edit the summary, the labels, the assignee (an account id) or the due date, in one edit."""
        world = self._world
        changes: list[Any] = []
        if summary is not None:
            changes.append(lambda i, _: edits.set_text(i, "summary", summary))
        if labels is not None:
            changes.append(lambda i, _: edits.set_labels(i, labels))
        if assignee is not None:
            changes.append(lambda i, _: edits.set_assignee(i, world.site.users[assignee]))
        if due_date is not None:
            changes.append(lambda i, _: edits.set_text(i, "duedate", due_date))
        return self._named(world.edit(self._issue_id(issue), *changes))

    def transition(self, issue: str, status: str) -> Answer:
        """Move an issue to a status, by name or id."""
        issue_id = self._issue_id(issue)
        project = self._world.site.projects[self._world.store.issue(issue_id).project_id]
        target = self._status(status, project)
        return self._named(self._world.edit(issue_id, lambda i, at: edits.set_status(i, target, at)))

    def set_sprint(self, issue: str, sprint: int | None = None) -> Answer:
        """Put an issue into an open sprint, or (none) into the backlog; closed sprints stay in its field."""
        target = self._sprint(sprint).id if sprint is not None else None
        site = self._world.site
        return self._named(self._world.edit(self._issue_id(issue), lambda i, _: edits.move_to_sprint(i, target, site)))

    def estimate(self, issue: str, value: float | None = None, field: str | None = None) -> Answer:
        """Estimate an issue, or (none) clear its estimate, in the board's field or another."""
        issue_id = self._issue_id(issue)
        site = self._world.site
        project = site.projects[self._world.store.issue(issue_id).project_id]
        number = site.fields[field or self._estimation_field(project)]
        return self._named(self._world.edit(issue_id, lambda i, _: edits.set_number(i, number, value)))

    def delete_issue(self, issue: str) -> Answer:
        """Delete an issue; nothing at the site shows afterwards that it existed."""
        self._world.delete(self._issue_id(issue))
        return {}

    def move_issue(self, issue: str, project: str) -> Answer:
        """Move an issue to another project: the id stays, the key changes."""
        return self._named(self._world.move(self._issue_id(issue), self._project(project)))

    def add_histories(self, issue: str, count: int) -> Answer:
        """Edit an issue's summary many times in a row."""
        with self._world.bulk():
            return self._named(self._world.add_histories(self._issue_id(issue), count))

    def bulk_touch(self, project: str | None = None, count: int = 800) -> Answer:
        """Change the labels of many issues within one second."""
        ids = [i for key, found in self.ids().items() if project in (None, key) for i in found][:count]
        return {"touched": self._world.bulk_touch(map(int, ids)), "ids": ids}

    # -- comments, worklogs, links

    def add_comment(self, issue: str, text: str = "A comment") -> Answer:
        """Comment on an issue."""
        return {"id": self._world.comment(self._issue_id(issue), text)["id"]}

    def delete_comment(self, comment: int) -> Answer:
        """Delete a comment."""
        self._world.delete_comment(int(comment))
        return {}

    def restrict_comment(self, comment: int) -> Answer:
        """Restrict a comment to a role that the account lacks: it is no longer listed, but still counted."""
        self._world.restrict_comment(int(comment))
        return {}

    def add_worklog(self, issue: str, seconds: int = 3600) -> Answer:
        """Log work on an issue."""
        return {"id": self._world.log_work(self._issue_id(issue), seconds)["id"]}

    def edit_worklog(self, issue: str, worklog: int, seconds: int) -> Answer:
        """Change the time of a worklog."""
        return {"id": self._world.log_work(self._issue_id(issue), seconds, int(worklog))["id"]}

    def delete_worklog(self, worklog: int) -> Answer:
        """Delete a worklog."""
        self._world.delete_worklog(int(worklog))
        return {}

    def add_link(self, source: str, target: str) -> Answer:
        """Make one issue block another."""
        return {"id": self._world.link(self._issue_id(source), self._issue_id(target))}

    def remove_link(self, issue: str, link: str) -> Answer:
        """Remove a link from both its issues."""
        self._world.unlink(self._issue_id(issue), str(link))
        return {}

    # -- sprints

    def create_sprint(self, board: int, name: str, days: int = 14) -> Answer:
        """Plan a sprint."""
        return {"id": self._world.create_sprint(self._world.site.boards[int(board)], name, days).id}

    def start_sprint(self, sprint: int) -> Answer:
        """Start a sprint."""
        self._world.start_sprint(self._sprint(sprint))
        return {}

    def complete_sprint(self, sprint: int, carry_to: int | None = None) -> Answer:
        """Complete a sprint; unfinished issues go to the sprint ``carry_to``, or stay without an open one."""
        done, target = self._sprint(sprint), self._sprint(carry_to).id if carry_to is not None else None
        self._world.complete_sprint(done)
        if target is None:
            return {"carried": 0}
        site, store = self._world.site, self._world.store
        board = site.boards.get(done.board_id or 0)
        finished = board.done_statuses if board else frozenset()
        rows = store.db.execute("SELECT issue_id FROM issue_sprints WHERE sprint_id = ?", [done.id]).fetchall()
        carried = [i for (i,) in rows if store.issue(i).status_id not in finished]
        for issue_id in carried:
            self._world.edit(issue_id, lambda i, _: edits.move_to_sprint(i, target, site))
        return {"carried": len(carried)}

    def reopen_sprint(self, sprint: int) -> Answer:
        """Make a closed sprint active again."""
        self._world.reopen_sprint(self._sprint(sprint))
        return {}

    def delete_sprint(self, sprint: int) -> Answer:
        """Delete a sprint; its issues leave it."""
        self._world.delete_sprint(self._sprint(sprint))
        return {}

    def rename_sprint(self, sprint: int, name: str) -> Answer:
        """Rename a sprint; its issues do not change."""
        self._sprint(sprint).name = name
        return {}

    # -- the site

    def board_sprints(self, board: int, enabled: bool) -> Answer:
        """Turn sprints on or off for a board, as a team-managed project may."""
        self._world.site.boards[int(board)].has_sprints = enabled
        return {}

    def hide_project(self, project: str, hidden: bool = True) -> Answer:
        """Hide a project from the account, or show it again."""
        self._project(project).hidden = hidden
        return {}

    def archive_project(self, project: str, archived: bool = True) -> Answer:
        """Archive a project, or restore it."""
        self._project(project).archived = archived
        return {}

    def rename_project(self, project: str, key: str) -> Answer:
        """Change the key of a project and of its issues; no issue counts as updated."""
        self._world.rename_project(self._project(project), key)
        return {}

    def rename_field(self, field: str, name: str) -> Answer:
        """Rename a field."""
        self._world.site.fields[field].name = name
        return {}

    def remove_field(self, field: str) -> Answer:
        """Remove a field with its values."""
        del self._world.site.fields[field]
        self._world.site.removed_fields.add(field)
        return {}

    def time_zone(self, zone: str) -> Answer:
        """Set the zone of the token user's profile."""
        self._world.account.time_zone = ZoneInfo(zone).key
        return {}

    def revoke_token(self, revoked: bool = True) -> Answer:
        """Revoke the API token, or make it valid again."""
        self._world.token_revoked = revoked
        return {}

    def deny(self, permission: str, denied: bool = True) -> Answer:
        """Take a permission (boards, users, worklogs, fields, projects) from the account, or give it back."""
        (self._world.denied.add if denied else self._world.denied.discard)(permission)
        return {}

    # -- faults

    def fault(self, **details: Any) -> Answer:
        """Let the next requests fail; see :class:`impulsum_pipelines.sandbox.faults.Fault`."""
        self._faults.add(**details)
        return {}

    def clear_faults(self) -> Answer:
        """Drop the faults that have not happened yet."""
        self._faults.clear()
        return {}

    def latency(self, milliseconds: float) -> Answer:
        """Delay every answer."""
        self._faults.latency = milliseconds / 1000
        return {}

    def leave_out_of_search(self, issue: str) -> Answer:
        """Leave an issue out of the pages of searches; it is still counted, and can be read by its id."""
        self._world.not_listed.add(self._issue_id(issue))
        return {}

    def search_lag(self, seconds: float) -> Answer:
        """Let search see each edit only this long after it happens, by the sandbox's clock."""
        self._world.search_lag = round(seconds * 1000)
        return {}

    def epoch_changelogs(self, enabled: bool = True) -> Answer:
        """Write the times of ``changelog/bulkfetch`` as numbers, as the example in Jira's description does."""
        self._world.epoch_changelogs = enabled
        return {}
