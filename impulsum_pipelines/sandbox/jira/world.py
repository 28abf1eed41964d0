"""A Jira site that people work on: its issues, its clock, its truth, and every edit that they can make.

Every edit writes the history that Jira would write, sets ``updated``, and is entered in the ledger.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from impulsum_pipelines.sandbox.clock import Clock
from impulsum_pipelines.sandbox.jira import issues as edits
from impulsum_pipelines.sandbox.jira.issues import JiraIssue
from impulsum_pipelines.sandbox.jira.ledger import Ledger
from impulsum_pipelines.sandbox.jira.site import (
    API,
    Board,
    Document,
    JiraSiteData,
    JiraUser,
    Project,
    Sprint,
    platform_time,
)
from impulsum_pipelines.sandbox.jira.store import Store

#: The account that may log in. The token opens nothing but the sandbox.
EMAIL = "sandbox@example.com"
TOKEN = "sandbox-api-token"  # noqa: S105

#: What an edit does to an issue at an instant: it changes the issue and returns the changelog items.
Edit = Callable[[JiraIssue, int], list[Document]]

_LINK_TYPE = {"id": "10000", "name": "Blocks", "inward": "is blocked by", "outward": "blocks"}


class JiraWorld:
    """One Jira site with its issues.

    Args:
        site: people, projects, boards and the rest.
        clock: the clock of all services.
        email: account that may log in.
        token: its API token.
        seed: what the history was generated from; None for an export.
    """

    def __init__(
        self,
        site: JiraSiteData,
        clock: Clock,
        *,
        email: str = EMAIL,
        token: str = TOKEN,
        seed: int | None = None,
    ) -> None:
        self.site = site
        self.clock = clock
        self.store = Store()
        self.ledger = Ledger(site)
        self.email = email
        self.token = token
        self.seed = seed
        self.token_revoked = False
        #: Permissions that the account lacks: ``boards``, ``users``, ``worklogs``, ``fields``, ``projects``.
        self.denied: set[str] = set()
        #: Milliseconds after which search sees an edit.
        self.search_lag = 0
        #: Issues that searches leave out of their pages.
        self.not_listed: set[int] = set()
        #: True when ``changelog/bulkfetch`` gives its times as numbers.
        self.epoch_changelogs = False
        self._numbers = {
            name: itertools.count(first)
            for name, first in (
                ("issue", 10001),
                ("history", 100001),
                ("comment", 20001),
                ("worklog", 30001),
                ("link", 40001),
            )
        }
        self._histories: list[tuple[int, int, int, Document]] = []

    def next_id(self, kind: str) -> int:
        """The next free id of ``issue``, ``history``, ``comment``, ``worklog`` or ``link``."""
        return next(self._numbers[kind])

    def truth(self) -> Document:
        """What every started sprint committed, added, removed and completed, as of now."""
        return {
            "seed": self.seed,
            "now": platform_time(self.clock.now()),
            "sprints": self.ledger.sprints(),
        }

    # -- the account

    @property
    def account(self) -> JiraUser:
        """The user that the token belongs to."""
        return self.site.account

    # -- edits

    def record(self, issue: JiraIssue, items: list[Document], author: JiraUser, at: int) -> None:
        """Record an edit of ``issue`` at ``at`` (epoch ms): its history, ``updated`` and the ledger."""
        if items:
            number = self.next_id("history")
            self._histories.append((number, issue.id, at, edits.history(number, author, at, items)))
            self.touch(issue, at)
            self.ledger.issue(issue, at)

    @staticmethod
    def touch(issue: JiraIssue, at: int) -> None:
        """Set ``updated`` (epoch ms)."""
        issue.updated = at
        issue.fields["updated"] = platform_time(at)

    def write_histories(self) -> list[tuple[int, int, int, Document]]:
        """Store the histories recorded so far, and return them."""
        written, self._histories = self._histories, []
        self.store.add_histories(written)
        return written

    def save(self, issue: JiraIssue) -> None:
        """Store an edited issue; search sees it after the lag."""
        self.write_histories()
        self.store.save(issue, self.clock.now() + self.search_lag if self.search_lag else None)

    def edit(self, issue_id: int, *changes: Edit) -> JiraIssue:
        """Change an issue now, all changes in one edit."""
        issue, at = self.store.issue(issue_id), self.clock.tick()
        items = [item for change in changes for item in change(issue, at)]
        self.record(issue, items, self.account, at)
        self.save(issue)
        return issue

    def create(self, project: Project, **details: object) -> JiraIssue:
        """Create an issue now; ``details`` are the arguments of :func:`issues.new_issue`."""
        at = self.clock.tick()
        issue = edits.new_issue(self.next_id("issue"), project, at=at, reporter=self.account, **details)  # type: ignore[arg-type]
        self.ledger.issue(issue, at)
        self.save(issue)
        return issue

    def delete(self, issue_id: int) -> None:
        """Delete an issue; nothing at the site shows afterwards that it existed."""
        self.store.issue(issue_id)
        self.ledger.issue_deleted(issue_id, self.clock.tick())
        self.store.delete(issue_id, self.clock.now() + self.search_lag if self.search_lag else None)

    def move(self, issue_id: int, target: Project) -> JiraIssue:
        """Move an issue to another project: the id stays, the key changes, the old key still finds it."""
        issue = self.store.issue(issue_id)
        source = self.site.projects[issue.project_id]
        self.store.db.execute("INSERT OR REPLACE INTO moved_keys VALUES (?, ?)", [issue.key, issue_id])
        at = self.clock.tick()
        self.record(issue, edits.move_to_project(issue, source, target), self.account, at)
        self.save(issue)
        return issue

    def rename_project(self, project: Project, key: str) -> None:
        """Change the key of a project and of its issues, without a history; the old keys still find them."""
        project.key = key
        rows = self.store.db.execute("SELECT id, key FROM issues WHERE project_id = ?", [project.id]).fetchall()
        self.store.db.executemany("INSERT OR REPLACE INTO moved_keys VALUES (?, ?)", [(old, i) for i, old in rows])
        issues = [self.store.issue(issue_id) for issue_id, _ in rows]
        for issue in issues:
            issue.key = f"{key}-{issue.key.rpartition('-')[2]}"
            issue.fields["project"] = project.document
        self.store.save_all(issues)

    def add_histories(self, issue_id: int, count: int) -> JiraIssue:
        """Edit the summary ``count`` times in a row."""
        issue = self.store.issue(issue_id)
        for number in range(count):
            at = self.clock.tick()
            self.record(issue, edits.set_text(issue, "summary", f"Edited for the {number + 1}. time"), self.account, at)
        self.save(issue)
        return issue

    # -- comments, worklogs, links

    def _refresh(self, issue: JiraIssue) -> None:
        """Write the issue's comments into its fields, as in Jira only the first ones, and store the issue."""
        shown = self.store.comments(issue.id, 0, edits.INLINE_COMMENTS)
        total = self.store.count("comments", issue.id)
        issue.fields["comment"] = edits.comment_page(issue.id, [_parsed(c) for c in shown], total)
        self.touch(issue, self.clock.tick())
        self.save(issue)

    def comment(self, issue_id: int, text: str) -> Document:
        """Comment on an issue now."""
        issue = self.store.issue(issue_id)
        document = comment_document(issue_id, self.next_id("comment"), self.account, text, self.clock.tick())
        self.store.add_comments([(int(document["id"]), issue_id, document)])
        self._refresh(issue)
        return document

    def delete_comment(self, comment_id: int) -> None:
        """Delete a comment."""
        issue = self._issue_of_comment(comment_id)
        self.store.db.execute("DELETE FROM comments WHERE id = ?", [comment_id])
        self._refresh(issue)

    def restrict_comment(self, comment_id: int) -> None:
        """Restrict a comment to a role that the account lacks."""
        issue = self._issue_of_comment(comment_id)
        self.store.db.execute("UPDATE comments SET restricted = 1 WHERE id = ?", [comment_id])
        self._refresh(issue)

    def _issue_of_comment(self, comment_id: int) -> JiraIssue:
        row = self.store.db.execute("SELECT issue_id FROM comments WHERE id = ?", [comment_id]).fetchone()
        if not row:
            raise KeyError(comment_id)
        return self.store.issue(row[0])

    def log_work(self, issue_id: int, seconds: int, worklog_id: int | None = None) -> Document:
        """Log work on an issue now, or edit an entry."""
        issue, at = self.store.issue(issue_id), self.clock.tick()
        document = worklog_document(issue_id, worklog_id or self.next_id("worklog"), self.account, seconds, at)
        self.store.add_worklogs([(int(document["id"]), issue_id, at, document)])
        self.record(issue, self._set_time_spent(issue), self.account, at)
        self.save(issue)
        return document

    def delete_worklog(self, worklog_id: int) -> None:
        """Delete a worklog; ``worklog/deleted`` lists its id and the time."""
        row = self.store.db.execute("SELECT issue_id FROM worklogs WHERE id = ?", [worklog_id]).fetchone()
        if not row:
            raise KeyError(worklog_id)
        issue, at = self.store.issue(row[0]), self.clock.tick()
        self.store.db.execute("DELETE FROM worklogs WHERE id = ?", [worklog_id])
        self.store.db.execute("INSERT INTO deleted_worklogs VALUES (?, ?)", [worklog_id, at])
        self.record(issue, self._set_time_spent(issue), self.account, at)
        self.save(issue)

    def _set_time_spent(self, issue: JiraIssue) -> list[Document]:
        rows = self.store.db.execute("SELECT document FROM worklogs WHERE issue_id = ?", [issue.id]).fetchall()
        spent = sum(_parsed(row[0])["timeSpentSeconds"] for row in rows)
        return edits.set_number(issue, self.site.fields["timespent"], spent or None)

    def link(self, source_id: int, target_id: int) -> str:
        """Make one issue block another; both change. Returns the id of the link."""
        source, target = self.store.issue(source_id), self.store.issue(target_id)
        number = str(self.next_id("link"))
        add_link(number, source, target)
        for issue in (source, target):
            self.touch(issue, self.clock.tick())
            self.save(issue)
        return number

    def unlink(self, issue_id: int, link_id: str) -> None:
        """Remove a link from both of its issues."""
        links = self.store.issue(issue_id).fields["issuelinks"]
        link = next(link for link in links if link["id"] == link_id)
        other = link.get("outwardIssue") or link["inwardIssue"]
        for end in (issue_id, int(other["id"])):
            issue = self.store.issue(end)
            issue.fields["issuelinks"] = [link for link in issue.fields["issuelinks"] if link["id"] != link_id]
            self.touch(issue, self.clock.tick())
            self.save(issue)

    # -- sprints

    def create_sprint(self, board: Board, name: str, days: int = 14) -> Sprint:
        """Plan a sprint on a board, to start tomorrow."""
        at = self.clock.tick()
        start = at + 86_400_000
        number = max(self.site.sprints, default=0) + 1
        sprint = Sprint(number, name, board.id, created=at, started=start, ends=start + days * 86_400_000)
        self.site.sprints[number] = sprint
        return sprint

    def start_sprint(self, sprint: Sprint, at: int | None = None) -> None:
        """Start a sprint at ``at`` (epoch ms; now when None); its planned length stays."""
        at = at or self.clock.tick()
        length = (sprint.ends - sprint.started) if sprint.ends and sprint.started else 14 * 86_400_000
        sprint.state, sprint.started, sprint.ends = "active", at, at + length
        self.ledger.sprint_started(sprint.id, at)

    def complete_sprint(self, sprint: Sprint, at: int | None = None) -> None:
        """Complete a sprint at ``at`` (epoch ms; now when None). Its issues stay in it until they are moved."""
        at = at or self.clock.tick()
        sprint.state, sprint.completed = "closed", at
        self.ledger.sprint_completed(sprint.id, at)

    def reopen_sprint(self, sprint: Sprint) -> None:
        """Make a closed sprint active again."""
        self.clock.tick()
        sprint.state, sprint.completed = "active", None
        self.ledger.sprint_reopened(sprint.id)

    def delete_sprint(self, sprint: Sprint) -> None:
        """Delete a sprint: every issue leaves it, with a history."""
        rows = self.store.db.execute("SELECT issue_id FROM issue_sprints WHERE sprint_id = ?", [sprint.id]).fetchall()
        for (issue_id,) in rows:
            self.edit(
                issue_id,
                lambda issue, _: edits.set_sprints(issue, [i for i in issue.sprint_ids if i != sprint.id], self.site),
            )
        del self.site.sprints[sprint.id]

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """A block whose edits are one transaction."""
        with self.store.transaction():
            yield

    def bulk_touch(self, ids: Iterable[int]) -> int:
        """Add a label to many issues in one bulk edit, all within a second. Returns how many."""
        touched = 0
        label = f"bulk-{self.clock.now()}"
        with self.bulk():
            for issue_id in ids:
                self.edit(issue_id, lambda issue, _: edits.set_labels(issue, [*issue.fields["labels"], label]))
                touched += 1
        return touched


def comment_document(issue_id: int, comment_id: int, author: JiraUser, text: str, at: int) -> Document:
    """A comment as Jira gives it."""
    return {
        "self": f"{API}/issue/{issue_id}/comment/{comment_id}",
        "id": str(comment_id),
        "author": author.document,
        "updateAuthor": author.document,
        "body": edits.atlassian_document(text),
        "created": platform_time(at),
        "updated": platform_time(at),
        "jsdPublic": True,
    }


def worklog_document(issue_id: int, worklog_id: int, author: JiraUser, seconds: int, at: int) -> Document:
    """A worklog as Jira gives it."""
    return {
        "self": f"{API}/issue/{issue_id}/worklog/{worklog_id}",
        "id": str(worklog_id),
        "issueId": str(issue_id),
        "author": author.document,
        "updateAuthor": author.document,
        "created": platform_time(at),
        "updated": platform_time(at),
        "started": platform_time(at - seconds * 1000),
        "timeSpent": f"{seconds // 60}m",
        "timeSpentSeconds": seconds,
    }


def add_link(link_id: str, source: JiraIssue, target: JiraIssue) -> None:
    """Write a link into both issues: ``source`` blocks ``target``."""
    link = {"id": link_id, "self": f"{API}/issueLink/{link_id}", "type": _LINK_TYPE}
    source.fields["issuelinks"] = [*source.fields["issuelinks"], link | {"outwardIssue": target.stub}]
    target.fields["issuelinks"] = [*target.fields["issuelinks"], link | {"inwardIssue": source.stub}]


def _parsed(document: bytes) -> Document:
    import orjson

    parsed: Document = orjson.loads(document)
    return parsed
