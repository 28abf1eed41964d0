"""The parts of a Jira site other than issues: people, projects, statuses, fields, boards, sprints, versions.

Each class writes the document that Jira's REST interface gives for it. Ids are as in Jira: text in the platform's
documents, numbers in those of boards and sprints. Times are epoch milliseconds, and are written in UTC;
:func:`impulsum_pipelines.sandbox.jira.api.answers.in_zone` converts an answer to the token user's zone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from impulsum_pipelines.sandbox.clock import to_datetime

Document = dict[str, Any]

#: Base of the `self` links in documents. The name is reserved: a request that follows a link reaches nobody.
SITE = "https://sandbox.invalid"
API = f"{SITE}/rest/api/3"
AGILE = f"{SITE}/rest/agile/1.0"

SPRINT_FIELD = "customfield_10020"
EPIC_LINK_FIELD = "customfield_10014"
STORY_POINTS_FIELD = "customfield_10028"
STORY_POINT_ESTIMATE_FIELD = "customfield_10016"

_CATEGORIES = {
    "new": {"id": 2, "key": "new", "colorName": "blue-gray", "name": "To Do"},
    "indeterminate": {"id": 4, "key": "indeterminate", "colorName": "yellow", "name": "In Progress"},
    "done": {"id": 3, "key": "done", "colorName": "green", "name": "Done"},
}


def platform_time(ms: int) -> str:
    """A time as the platform's interface writes it, such as ``2026-11-01T10:11:12.345+0000``."""
    return to_datetime(ms).isoformat(timespec="milliseconds")[:23] + "+0000"


def agile_time(ms: int) -> str:
    """A time as Jira Software's interface (boards, sprints) writes it, such as ``2026-11-01T10:11:12.345Z``."""
    return to_datetime(ms).isoformat(timespec="milliseconds")[:23] + "Z"


@dataclass
class JiraUser:
    """A person or an app with an account."""

    account_id: str
    name: str
    email: str | None = None
    active: bool = True
    time_zone: str = "Etc/UTC"
    account_type: str = "atlassian"

    @property
    def document(self) -> Document:
        """The document inside issues, comments and histories, which hides the e-mail address."""
        return {
            "self": f"{API}/user?accountId={self.account_id}",
            "accountId": self.account_id,
            "displayName": self.name,
            "active": self.active,
            "timeZone": self.time_zone,
            "accountType": self.account_type,
        }

    @property
    def profile(self) -> Document:
        """The document that ``users/search`` and ``myself`` give."""
        return self.document | ({"emailAddress": self.email} if self.email else {})


@dataclass
class Status:
    """A status; ``project_id`` is set for one that belongs to a team-managed project."""

    id: str
    name: str
    category: Literal["new", "indeterminate", "done"]
    project_id: str | None = None

    @property
    def document(self) -> Document:
        """The document inside issues and in ``status``."""
        category = _CATEGORIES[self.category]
        document: Document = {
            "self": f"{API}/status/{self.id}",
            "id": self.id,
            "name": self.name,
            "description": "",
            "iconUrl": f"{SITE}/images/icons/statuses/generic.png",
            "statusCategory": {"self": f"{API}/statuscategory/{category['id']}"} | category,
        }
        if self.project_id:
            document["scope"] = {"type": "PROJECT", "project": {"id": self.project_id}}
        return document


@dataclass
class Field:
    """A system or custom field; ``custom`` is the type of a custom one."""

    id: str
    name: str
    type: str
    items: str | None = None
    custom: str | None = None
    project_id: str | None = None

    @property
    def document(self) -> Document:
        """The document that ``field`` gives."""
        schema: Document = {"type": self.type} | ({"items": self.items} if self.items else {})
        if self.custom:
            number = int(self.id.removeprefix("customfield_"))
            schema |= {"custom": self.custom, "customId": number}
            clauses = [f"cf[{number}]", self.name]
        else:
            schema["system"] = self.id
            clauses = [self.id]
        document: Document = {
            "id": self.id,
            "key": self.id,
            "name": self.name,
            "custom": self.custom is not None,
            "orderable": True,
            "navigable": True,
            "searchable": True,
            "clauseNames": clauses,
            "schema": schema,
        }
        if self.project_id:
            document["scope"] = {"type": "PROJECT", "project": {"id": self.project_id}}
        return document


_CUSTOM = "com.atlassian.jira.plugin.system.customfieldtypes"
_SOFTWARE = "com.pyxis.greenhopper.jira"


def standard_fields() -> dict[str, Field]:
    """The fields of a site with Jira Software: system fields, Sprint, Epic Link and both story point fields."""
    fields = [
        Field("summary", "Summary", "string"),
        Field("status", "Status", "status"),
        Field("issuetype", "Issue Type", "issuetype"),
        Field("project", "Project", "project"),
        Field("priority", "Priority", "priority"),
        Field("resolution", "Resolution", "resolution"),
        Field("resolutiondate", "Resolved", "datetime"),
        Field("created", "Created", "datetime"),
        Field("updated", "Updated", "datetime"),
        Field("duedate", "Due date", "date"),
        Field("assignee", "Assignee", "user"),
        Field("reporter", "Reporter", "user"),
        Field("creator", "Creator", "user"),
        Field("labels", "Labels", "array", "string"),
        Field("parent", "Parent", "issuelink"),
        Field("description", "Description", "string"),
        Field("issuelinks", "Linked Issues", "array", "issuelinks"),
        Field("comment", "Comment", "comments-page"),
        Field("worklog", "Log Work", "array", "worklog"),
        Field("timespent", "Time Spent", "number"),
        Field("timeoriginalestimate", "Original estimate", "number"),
        Field("fixVersions", "Fix versions", "array", "version"),
        Field("components", "Components", "array", "component"),
        Field(SPRINT_FIELD, "Sprint", "array", "json", f"{_SOFTWARE}:gh-sprint"),
        Field(EPIC_LINK_FIELD, "Epic Link", "any", None, f"{_SOFTWARE}:gh-epic-link"),
        Field(STORY_POINTS_FIELD, "Story Points", "number", None, f"{_CUSTOM}:float"),
        Field(STORY_POINT_ESTIMATE_FIELD, "Story point estimate", "number", None, f"{_SOFTWARE}:jsw-story-points"),
    ]
    return {f.id: f for f in fields}


@dataclass
class Project:
    """A project. ``next_number`` is the number of the next issue key."""

    id: str
    key: str
    name: str
    team_managed: bool = False
    archived: bool = False
    hidden: bool = False
    next_number: int = 1

    @property
    def document(self) -> Document:
        """The document inside issues and in ``project/search``."""
        return {
            "self": f"{API}/project/{self.id}",
            "id": self.id,
            "key": self.key,
            "name": self.name,
            "projectTypeKey": "software",
            "simplified": self.team_managed,
            "style": "next-gen" if self.team_managed else "classic",
            "isPrivate": False,
        }


@dataclass
class JiraVersion:
    """A version (release) of a project; dates are plain dates."""

    id: str
    project_id: str
    name: str
    released: bool = False
    archived: bool = False
    start_date: str | None = None
    release_date: str | None = None

    @property
    def document(self) -> Document:
        """The document that ``project/{id}/version`` gives."""
        document: Document = {
            "self": f"{API}/version/{self.id}",
            "id": self.id,
            "name": self.name,
            "archived": self.archived,
            "released": self.released,
            "projectId": int(self.project_id),
        }
        dates = {"startDate": self.start_date, "releaseDate": self.release_date}
        return document | {name: date for name, date in dates.items() if date}


@dataclass
class Board:
    """A board.

    Attributes:
        columns: name and status ids of each column, from left to right.
        estimation_field: the field that the board estimates with; None for a board that counts issues.
        borrowed: ids of sprints of other boards whose issues this board's filter finds. Jira lists them here too, with
            the ``originBoardId`` of their own board.
        has_sprints: a team-managed board may turn sprints off; then it is a Kanban board, though its type does not
            say so.
    """

    id: int
    name: str
    project_id: str | None
    columns: list[tuple[str, list[str]]]
    estimation_field: str | None = None
    type: str = "scrum"
    has_sprints: bool = True
    borrowed: list[int] = field(default_factory=list)

    @property
    def done_statuses(self) -> frozenset[str]:
        """The statuses of the right-most column that has any."""
        return next((frozenset(statuses) for _, statuses in reversed(self.columns) if statuses), frozenset())

    def document(self, project: Project | None) -> Document:
        """The document that ``board`` gives."""
        document: Document = {
            "id": self.id,
            "self": f"{AGILE}/board/{self.id}",
            "name": self.name,
            "type": self.type,
        }
        if project:
            document["location"] = {
                "projectId": int(project.id),
                "displayName": f"{project.name} ({project.key})",
                "projectName": project.name,
                "projectKey": project.key,
                "projectTypeKey": "software",
                "name": f"{project.name} ({project.key})",
            }
        return document

    def configuration(self, fields: dict[str, Field]) -> Document:
        """The document that ``board/{id}/configuration`` gives."""
        estimation: Document = {"type": "issueCount"}
        if self.estimation_field:
            named = fields.get(self.estimation_field)
            estimation = {
                "type": "field",
                "field": {
                    "fieldId": self.estimation_field,
                    "displayName": named.name if named else self.estimation_field,
                },
            }
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "self": f"{AGILE}/board/{self.id}/configuration",
            "location": {"type": "project", "projectKeyOrId": self.project_id or ""},
            "filter": {"id": str(self.id + 10_000), "self": f"{API}/filter/{self.id + 10_000}"},
            "columnConfig": {
                "columns": [
                    {
                        "name": name,
                        "statuses": [{"id": status, "self": f"{API}/status/{status}"} for status in statuses],
                    }
                    for name, statuses in self.columns
                ],
                "constraintType": "none",
            },
            "estimation": estimation,
            "ranking": {"rankCustomFieldId": 10019},
        }


@dataclass
class Sprint:
    """A sprint. ``started`` is the planned time while it is future, then the actual one; ``ends`` is always planned."""

    id: int
    name: str
    board_id: int | None
    state: Literal["future", "active", "closed"] = "future"
    created: int | None = None
    started: int | None = None
    ends: int | None = None
    completed: int | None = None
    goal: str = ""
    _rendered: tuple[tuple[object, ...], bytes] | None = field(default=None, repr=False, compare=False)

    def _dates(self) -> Document:
        dates = {"startDate": self.started, "endDate": self.ends, "completeDate": self.completed}
        return {name: agile_time(ms) for name, ms in dates.items() if ms is not None}

    @property
    def document(self) -> Document:
        """The document that ``sprint/{id}`` gives."""
        document: Document = {
            "id": self.id,
            "self": f"{AGILE}/sprint/{self.id}",
            "state": self.state,
            "name": self.name,
            **self._dates(),
        }
        if self.created is not None:
            document["createdDate"] = agile_time(self.created)
        if self.board_id is not None:
            document["originBoardId"] = self.board_id
        return document | {"goal": self.goal}

    @property
    def field_value(self) -> Document:
        """The document in the Sprint field of an issue."""
        document: Document = {"id": self.id, "name": self.name, "state": self.state}
        if self.board_id is not None:
            document["boardId"] = self.board_id
        return document | {"goal": self.goal, **self._dates()}

    @property
    def field_bytes(self) -> bytes:
        """:attr:`field_value` in JSON. Every issue shows it, so it is made again only when the sprint has changed."""
        now = (self.name, self.state, self.goal, self.started, self.ends, self.completed)
        if self._rendered is None or self._rendered[0] != now:
            self._rendered = (now, orjson.dumps(self.field_value))
        return self._rendered[1]


@dataclass
class JiraSiteData:
    """Everything of a site except its issues, by id; ``account`` is the user of the API token."""

    account: JiraUser
    users: dict[str, JiraUser] = field(default_factory=dict)
    statuses: dict[str, Status] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=standard_fields)
    projects: dict[str, Project] = field(default_factory=dict)
    versions: dict[str, JiraVersion] = field(default_factory=dict)
    boards: dict[int, Board] = field(default_factory=dict)
    sprints: dict[int, Sprint] = field(default_factory=dict)
    #: Removed fields: no answer has their values.
    removed_fields: set[str] = field(default_factory=set)

    def project(self, key_or_id: str) -> Project | None:
        """A project that the account may see, by key or id."""
        for project in self.projects.values():
            if key_or_id.upper() in (project.key.upper(), project.id) and not project.hidden:
                return project
        return None

    def hidden_projects(self) -> list[str]:
        """Ids of the projects that the account may not see."""
        return [project.id for project in self.projects.values() if project.hidden]
