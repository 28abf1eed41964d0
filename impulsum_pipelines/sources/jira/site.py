"""What is true of the whole site during one sync: its projects, fields, boards and sprints, each read once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import orjson

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.jira import rows
from impulsum_pipelines.sources.jira.client import Document, JiraClient
from impulsum_pipelines.sources.jira.refusals import NoSprintsError
from impulsum_pipelines.sources.jira.tables import BOARDS, FIELDS, SPRINTS

log = logging.getLogger(__name__)

#: Custom fields by the key of their type, which no administrator can change.
ROLE_OF_TYPE = {
    "com.pyxis.greenhopper.jira:gh-sprint": "sprint",
    "com.pyxis.greenhopper.jira:gh-epic-link": "epic_link",
    "com.pyxis.greenhopper.jira:jsw-story-points": "story_point_estimate",
}
#: Numeric custom fields by the name that Jira gives them when it creates them.
ROLE_OF_NAME = {"story points": "story_points", "story point estimate": "story_point_estimate"}


@dataclass(frozen=True)
class FieldRoles:
    """The id of the custom field for each role."""

    ids: dict[str, str]

    def get(self, role: str) -> str | None:
        """The field's id; None where the site has no such field."""
        return self.ids.get(role)


class JiraSite:
    """One Jira site during one sync. Each property is read when it is first needed, and only once."""

    def __init__(self, client: JiraClient, sync: Sync, settings: Settings) -> None:
        self.client = client
        self.sync = sync
        self._wanted = settings.jira.projects

    @cached_property
    def visible(self) -> list[Document]:
        """The projects that the account sees and the settings name. A name in the settings also fits after a new key.

        Raises:
            ImpulsumError: of category permission when no project is visible, or when a named one never was.
        """
        everything = self.client.projects()
        stored = dict(self.sync.stored.query("select key, id from raw.projects"))
        ids = stored | self.sync.memory.get("projects", {}) | {p.get("key"): str(p["id"]) for p in everything}
        named = {key: ids[key] for key in self._wanted if key in ids}
        chosen = [p for p in everything if not self._wanted or str(p["id"]) in named.values()]
        unknown = [key for key in self._wanted if key not in named]
        if unknown or not (chosen or stored):
            raise ImpulsumError(
                Category.PERMISSION,
                f"Projects {', '.join(unknown)} are not visible to this account"
                if unknown
                else "No project is visible to this account",
                where=f"jira projects of {self.sync.site}",
                next_step="give the account the permission Browse projects, or correct JIRA_PROJECTS.",
            )
        self.sync.memory["projects"] = named
        return chosen

    @property
    def unread(self) -> list[str]:
        """Ids of the projects to read from the first day on: new or visible again, or with a new key.

        A new key changes the keys of all issues of a project, but not their change times.
        """
        read = self.sync.memory.get("read", {})
        return [str(project["id"]) for project in self.visible if read.get(str(project["id"])) != project["key"]]

    def remember_read(self) -> None:
        """Remember that every visible project was read, with its key."""
        self.sync.memory["read"] = {str(project["id"]): project["key"] for project in self.visible}

    @cached_property
    def fields(self) -> list[Document]:
        """Every field of the site."""
        return self.client.fields()

    @cached_property
    def roles(self) -> FieldRoles:
        """The custom fields that velocity needs, found by type and name, never by a fixed id.

        Fields are slow reference data: between two reads of them the stored roles count.

        Raises:
            ImpulsumError: of category configuration when a field that had a role was removed or renamed.
        """
        if not self.sync.due(FIELDS):
            return FieldRoles({role: field_id for field_id, _, role in self._stored_roles()})
        ids: dict[str, str] = {}
        for document in self.fields:
            if role := role_of(document):
                ids.setdefault(role, str(document["id"]))
        self._refuse_lost_fields(ids)
        return FieldRoles(ids)

    def _stored_roles(self) -> list[tuple[str, str, str]]:
        return self.sync.stored.query(
            "select id, name, role from raw.fields where role is not null and deleted_at is null"
        )

    def _refuse_lost_fields(self, found: dict[str, str]) -> None:
        names = {str(document["id"]): document.get("name") for document in self.fields}
        for field_id, name, role in self._stored_roles():
            if role in found:
                continue
            now = f"is now called {names[field_id]!r}" if field_id in names else "was removed"
            raise self._field_error(
                f"The field {name!r} ({field_id}) {now}", f"give the site a field named {name!r} again"
            )
        for board in self.boards:
            estimation = board["estimation_field_id"]
            if estimation and estimation not in names:
                raise self._field_error(
                    f"Board {board['name']!r} estimates with the field {board['estimation_field_name']!r} "
                    f"({estimation}), which does not exist",
                    "choose another estimation field in the board's settings",
                )

    def _field_error(self, what: str, remedy: str) -> ImpulsumError:
        return ImpulsumError(
            Category.CONFIGURATION,
            f"{what}: velocity cannot be read from it",
            where=f"jira fields of {self.sync.site}",
            next_step=f"{remedy}, then run again.",
        )

    @cached_property
    def boards(self) -> list[rows.Row]:
        """Every board with its configuration, as rows. Boards are slow reference data, like the fields."""
        if not self.sync.due(BOARDS):
            return self._stored_boards()
        return [rows.board(document, self._configuration(str(document["id"]))) for document in self.client.boards()]

    def _configuration(self, board_id: str) -> Document:
        """The configuration of a board; when Jira does not permit it, the stored one, or an empty one."""
        try:
            return self.client.board_configuration(board_id)
        except ImpulsumError as error:
            if error.category is not Category.PERMISSION:
                raise
            log.warning("The stored configuration of board %s stays as it is: %s", board_id, error.what)
        stored = self.sync.stored.query("select payload from raw.boards where id = ?", [board_id])
        return orjson.loads(stored[0][0])["configuration"] if stored else {}

    def _stored_boards(self) -> list[rows.Row]:
        columns = ("id", "name", "type", "estimation_field_id", "estimation_field_name")
        stored = self.sync.stored.query(f"select {', '.join(columns)} from raw.boards where deleted_at is null")
        return [dict(zip(columns, values, strict=True)) for values in stored]

    @cached_property
    def _listed_boards(self) -> list[rows.Row]:
        """Boards whose sprints are listed in this sync: all when due, else those with a sprint that is not closed."""
        scrum = [board for board in self.boards if board["type"] != "kanban"]
        if self.sync.due(SPRINTS):
            return scrum
        stored = self.sync.stored.query(
            "select distinct board_id from raw.sprints where deleted_at is null and state <> 'closed'"
        )
        with_open_sprints = {board_id for (board_id,) in stored}
        return [board for board in scrum if board["id"] in with_open_sprints]

    @cached_property
    def board_sprints(self) -> dict[str, Document]:
        """Every sprint that a listed board shows, by id."""
        found: dict[str, Document] = {}
        for board in self._listed_boards:
            try:
                sprints = self.client.sprints_of(board["id"])
            except NotFoundError:
                continue
            except NoSprintsError as error:
                log.info("Board %s (%s) has no sprints: %s", board["id"], board["name"], error.what)
                continue
            for sprint in sprints:
                found[str(sprint["id"])] = sprint
        return found

    @property
    def refreshed_sprints(self) -> list[str]:
        """Ids of the sprints to read completely. Only those that a board shows: a search for another one fails."""
        named = (subject.removeprefix("sprint:") for subject in self.sync.refresh if subject.startswith("sprint:"))
        return sorted(sprint for sprint in named if sprint in self.board_sprints)

    def unlisted_sprints(self) -> Iterator[Document]:
        """Stored sprints that no board shows any more: not closed ones, and those of a board that was listed.

        Each is read alone, so that it does not become stale. One that is gone is yielded with ``gone`` set.
        """
        stored = self.sync.stored.query("select id, state, board_id from raw.sprints where deleted_at is null")
        listed = {board["id"] for board in self._listed_boards}
        for sprint_id, state, board_id in stored:
            if sprint_id in self.board_sprints or (state == "closed" and board_id not in listed):
                continue
            try:
                yield self.client.sprint(sprint_id)
            except NotFoundError:
                yield {"id": sprint_id, "gone": True}

    @cached_property
    def estimates(self) -> tuple[str, ...]:
        """Ids of every field that a board could estimate with."""
        names = {self.roles.get("story_points"), self.roles.get("story_point_estimate"), rows.TIME_ESTIMATE}
        names |= {board["estimation_field_id"] for board in self.boards}
        return tuple(sorted(name for name in names if name))


def role_of(document: Document) -> str | None:
    """The role of a field, by the key of its type, or for a numeric custom field by its name; None for most fields."""
    schema = document.get("schema") or {}
    if role := ROLE_OF_TYPE.get(schema.get("custom") or ""):
        return role
    if document.get("custom") and schema.get("type") == "number":
        return ROLE_OF_NAME.get(str(document.get("name")).strip().lower())
    return None
