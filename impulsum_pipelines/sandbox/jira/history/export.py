"""Reads a real export as a Jira Cloud site: issues as Jira Server's REST interface gives them, one JSON per line.

Where Cloud differs, the issues are converted: people get account ids, texts become documents, the sprints of an issue
go to its Sprint field and its epic to the Epic Link. People, statuses, boards and sprints are those that the issues
name. An export without changelogs makes a site without changelogs; there is no truth about its sprints.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sandbox.clock import Clock, to_ms
from impulsum_pipelines.sandbox.jira.issues import INLINE_COMMENTS, JiraIssue, atlassian_document, comment_page
from impulsum_pipelines.sandbox.jira.site import (
    EPIC_LINK_FIELD,
    Board,
    Document,
    JiraSiteData,
    JiraUser,
    Project,
    Sprint,
    Status,
)
from impulsum_pipelines.sandbox.jira.world import JiraWorld

_PEOPLE = ("assignee", "reporter", "creator")
_BATCH = 1000


def read_export(path: Path, *, now: datetime | None = None, time_zone: str = "Etc/UTC") -> JiraWorld:
    """The site that an export describes.

    Args:
        path: a JSON-lines file, gzipped when its name ends in ``.gz``.
        now: where the clock starts, aware; the real time when None.
        time_zone: zone of the token user's profile.

    Raises:
        ImpulsumError: the file cannot be read (category configuration), or a line is not an issue (bad data).
    """
    account = JiraUser("sandbox-account", "Sandbox Account", "sandbox@example.com", time_zone=time_zone)
    world = JiraWorld(JiraSiteData(account, users={account.account_id: account}), Clock(now))
    reader = _Reader(world)
    batch: list[JiraIssue] = []
    with world.store.transaction():
        for line_number, line in enumerate(_lines(path), 1):
            try:
                batch.append(reader.issue(orjson.loads(line)))
            except (KeyError, TypeError, ValueError) as error:
                raise ImpulsumError(
                    Category.BAD_DATA,
                    f"A line of the export is not an issue: {type(error).__name__}: {error}",
                    where=f"{path.name}, line {line_number}",
                    next_step="export the issues again, one JSON document of Jira's REST interface per line.",
                ) from error
            if len(batch) == _BATCH:
                reader.save(batch)
                batch.clear()
        reader.save(batch)
    reader.add_boards()
    return world


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            yield from (line for line in lines if line.strip())
    except OSError as error:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"The export cannot be read: {error.strerror or error}",
            where=path.name,
            next_step="give the path of a JSON-lines file of issues.",
        ) from error


class _Reader:
    """Converts the issues of an export to those of Cloud, and collects the site that they name."""

    def __init__(self, world: JiraWorld) -> None:
        self.site = world.site
        self.store = world.store
        self.comments: list[tuple[int, int, Document]] = []

    def save(self, batch: list[JiraIssue]) -> None:
        self.store.save_all(batch)
        self.store.add_comments(self.comments)
        self.comments.clear()

    def issue(self, exported: Document) -> JiraIssue:
        issue_id, fields = int(exported["id"]), dict(exported["fields"])
        project = self._project(fields["project"])
        self._status(fields["status"])
        for role in _PEOPLE:
            fields[role] = self._person(fields.get(role))
        if isinstance(fields.get("description"), str):
            fields["description"] = atlassian_document(fields["description"])
        epic = fields.pop("epic", None)
        fields[EPIC_LINK_FIELD] = epic["key"] if epic else None
        sprints = [*(fields.pop("closedSprints", None) or []), fields.pop("sprint", None)]
        sprint_ids = [self._sprint(sprint) for sprint in sprints if sprint]
        fields["comment"] = self._comments(issue_id, fields.get("comment") or {})
        return JiraIssue(
            issue_id, exported["key"], project.id, _ms(fields["created"]), _ms(fields["updated"]), fields, sprint_ids
        )

    def _project(self, document: Document) -> Project:
        project = self.site.projects.get(document["id"])
        if project is None:
            project = Project(document["id"], document["key"], document["name"])
            self.site.projects[project.id] = project
        return project

    def _status(self, document: Document) -> None:
        if document["id"] not in self.site.statuses:
            category: Any = document["statusCategory"]["key"]
            self.site.statuses[document["id"]] = Status(document["id"], document["name"], category)

    def _person(self, document: Document | None) -> Document | None:
        if not document:
            return None
        name = str(document.get("accountId") or document["name"])
        user = self.site.users.get(name)
        if user is None:
            user = JiraUser(
                name,
                document.get("displayName", name),
                active=bool(document.get("active", True)),
                time_zone=document.get("timeZone", "Etc/UTC"),
            )
            self.site.users[name] = user
        return user.document

    def _sprint(self, document: Document) -> int:
        number = int(document["id"])
        if number not in self.site.sprints or document["state"].lower() == "closed":
            dates = (document.get(name) for name in ("startDate", "endDate", "completeDate"))
            started, ends, completed = (_ms(date) if date else None for date in dates)
            self.site.sprints[number] = Sprint(
                number,
                document["name"],
                document.get("originBoardId"),
                document["state"].lower(),
                started=started,
                ends=ends,
                completed=completed,
                goal=document.get("goal") or "",
            )
        return number

    def _comments(self, issue_id: int, page: Document) -> Document:
        shown = []
        for exported in page.get("comments", ()):
            comment = {
                **exported,
                "author": self._person(exported.get("author")),
                "updateAuthor": self._person(exported.get("updateAuthor")),
                "body": atlassian_document(exported.get("body") or ""),
            }
            self.comments.append((int(comment["id"]), issue_id, comment))
            shown.append(comment)
        # The total also counts comments that the account may not see: it can be higher than the number of comments.
        return comment_page(issue_id, shown[:INLINE_COMMENTS], page.get("total", len(shown)))

    def add_boards(self) -> None:
        """Add the boards that the sprints name: one column per category of status, estimating by counting issues."""
        by_category: dict[str, list[str]] = {"new": [], "indeterminate": [], "done": []}
        for status in self.site.statuses.values():
            by_category[status.category].append(status.id)
        columns = list(zip(("To Do", "In Progress", "Done"), by_category.values(), strict=True))
        project = next(iter(self.site.projects), None)
        for board_id in sorted({s.board_id for s in self.site.sprints.values() if s.board_id is not None}):
            self.site.boards[board_id] = Board(board_id, f"Board {board_id}", project, columns)


def _ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))
