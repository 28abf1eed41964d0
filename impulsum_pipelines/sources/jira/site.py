"""What is true of the whole site during one sync: its projects, fields, boards and sprints, each read once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import orjson

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import NotFoundError, RefusedError
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.jira import rows
from impulsum_pipelines.sources.jira.client import Document, JiraClient
from impulsum_pipelines.sources.jira.tables import BOARDS, FIELDS, SPRINTS

log = logging.getLogger(__name__)

#: What Jira answers when it is asked for the sprints of a board that has none (Kanban, also a team-managed one that
#: turned sprints off), or of a scrum board without a mapped column.
HAS_NO_SPRINTS = (400, 422)

#: Custom fields by the key of their type, which no administrator can change.
ROLE_OF_TYPE = {
    "com.pyxis.greenhopper.jira:gh-sprint": "sprint",
    "com.pyxis.greenhopper.jira:gh-epic-link": "epic_link",
    "com.pyxis.greenhopper.jira:jsw-story-points": "story_point_estimate",
}
#: Numeric custom fields by their name: what Jira itself calls them when it creates them.
ROLE_OF_NAME = {"story points": "story_points", "story point estimate": "story_point_estimate"}


@dataclass(frozen=True)
class FieldRoles:
    """Which custom field plays which part: role to field id."""

    ids: dict[str, str]

    def get(self, role: str) -> str | None:
        """The field's id, or None where the site has no such field."""
        return self.ids.get(role)


class JiraSite:
    """One Jira site during one sync. Each property is one read, done when first needed."""

    def __init__(self, client: JiraClient, sync: Sync, settings: Settings) -> None:
        self.client = client
        self.sync = sync
        self._wanted = settings.jira.projects

    @cached_property
    def visible(self) -> list[Document]:
        """The projects that the account sees and the settings name. One whose key is changed is still the one named.

        Raises:
            ImpulsumError: of category permission when none is visible, or when one that was named never was.
        """
        everything = self.client.projects()
        held = dict(self.sync.held.query("select key, id from raw.projects"))
        met = held | self.sync.memory.get("projects", {}) | {p.get("key"): str(p["id"]) for p in everything}
        named = {key: met[key] for key in self._wanted if key in met}
        chosen = [p for p in everything if not self._wanted or str(p["id"]) in named.values()]
        unknown = [key for key in self._wanted if key not in named]
        if unknown or not (chosen or held):
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
        """Ids of the projects to be read from the first day on: new here or in sight again, or with another key.

        A new key is in all issues of a project, and touches none of them.
        """
        read = self.sync.memory.get("read", {})
        return [str(project["id"]) for project in self.visible if read.get(str(project["id"])) != project["key"]]

    def all_read(self) -> None:
        """Remember that every visible project was read, with its key."""
        self.sync.memory["read"] = {str(project["id"]): project["key"] for project in self.visible}

    @cached_property
    def fields(self) -> list[Document]:
        """Every field of the site."""
        return self.client.fields()

    @cached_property
    def roles(self) -> FieldRoles:
        """The custom fields that velocity rests on, found by type and name, never by a fixed id.

        Fields are slow reference data: between two reads of them the roles are those that are held.

        Raises:
            ImpulsumError: of category configuration when a field that had a role was removed or renamed.
        """
        if not self.sync.due(FIELDS):
            return FieldRoles({role: field_id for field_id, _, role in self._held_roles()})
        ids: dict[str, str] = {}
        for document in self.fields:
            if role := role_of(document):
                ids.setdefault(role, str(document["id"]))
        self._refuse_lost_fields(ids)
        return FieldRoles(ids)

    def _held_roles(self) -> list[tuple[str, str, str]]:
        return self.sync.held.query(
            "select id, name, role from raw.fields where role is not null and deleted_at is null"
        )

    def _refuse_lost_fields(self, found: dict[str, str]) -> None:
        names = {str(document["id"]): document.get("name") for document in self.fields}
        for field_id, name, role in self._held_roles():
            if role in found:
                continue
            now = f"is now called {names[field_id]!r}" if field_id in names else "was removed"
            self._lost(f"The field {name!r} ({field_id}) {now}", f"give the site a field named {name!r} again")
        for board in self.boards:
            estimation = board["estimation_field_id"]
            if estimation and estimation not in names:
                self._lost(
                    f"Board {board['name']!r} estimates with the field {board['estimation_field_name']!r} "
                    f"({estimation}), which does not exist",
                    "choose another estimation field in the board's settings",
                )

    def _lost(self, what: str, remedy: str) -> None:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"{what}: velocity cannot be read from it",
            where=f"jira fields of {self.sync.site}",
            next_step=f"{remedy}, then run again.",
        )

    @cached_property
    def boards(self) -> list[rows.Row]:
        """Every board with its configuration, as rows; slow reference data, like the fields."""
        if not self.sync.due(BOARDS):
            return self._held_boards()
        return [rows.board(document, self._configuration(str(document["id"]))) for document in self.client.boards()]

    def _configuration(self, board_id: str) -> Document:
        """The configuration of a board; where that is refused, the one that is held, or nothing."""
        try:
            return self.client.board_configuration(board_id)
        except ImpulsumError as error:
            if error.category is not Category.PERMISSION:
                raise
            log.warning("The configuration of board %s stays as it was held: %s", board_id, error.what)
        held = self.sync.held.query("select payload from raw.boards where id = ?", [board_id])
        return orjson.loads(held[0][0])["configuration"] if held else {}

    def _held_boards(self) -> list[rows.Row]:
        columns = ("id", "name", "type", "estimation_field_id", "estimation_field_name")
        held = self.sync.held.query(f"select {', '.join(columns)} from raw.boards where deleted_at is null")
        return [dict(zip(columns, values, strict=True)) for values in held]

    @cached_property
    def _listed_boards(self) -> list[rows.Row]:
        """Boards whose sprints are listed now: all when due, else those with a sprint that may still move."""
        scrum = [board for board in self.boards if board["type"] != "kanban"]
        if self.sync.due(SPRINTS):
            return scrum
        held = self.sync.held.query(
            "select distinct board_id from raw.sprints where deleted_at is null and state <> 'closed'"
        )
        moving = {board_id for (board_id,) in held}
        return [board for board in scrum if board["id"] in moving]

    @cached_property
    def board_sprints(self) -> dict[str, Document]:
        """Every sprint that any board shows, by id. Boards without sprints have none."""
        found: dict[str, Document] = {}
        for board in self._listed_boards:
            try:
                sprints = self.client.sprints_of(board["id"])
            except NotFoundError:
                continue
            except RefusedError as error:
                if error.status not in HAS_NO_SPRINTS:
                    raise
                log.info("Board %s (%s) has no sprints: %s", board["id"], board["name"], error.what)
                continue
            for sprint in sprints:
                found[str(sprint["id"])] = sprint
        return found

    @property
    def deep_sprints(self) -> list[str]:
        """Ids of the sprints to be read whole. Only of those that a board shows: a search for another one fails."""
        named = (subject.removeprefix("sprint:") for subject in self.sync.refresh if subject.startswith("sprint:"))
        return sorted(sprint for sprint in named if sprint in self.board_sprints)

    def unlisted_sprints(self) -> Iterator[Document]:
        """Held sprints that no board shows any more, though it should or though they may still move.

        Asked for one by one, so that none goes stale; one that is gone is yielded with ``gone`` set.
        """
        held = self.sync.held.query("select id, state, board_id from raw.sprints where deleted_at is null")
        listed = {board["id"] for board in self._listed_boards}
        for sprint_id, state, board_id in held:
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
    """What a field is to us, by the key of its type or, for a numeric custom field, by its name."""
    schema = document.get("schema") or {}
    if role := ROLE_OF_TYPE.get(schema.get("custom") or ""):
        return role
    if document.get("custom") and schema.get("type") == "number":
        return ROLE_OF_NAME.get(str(document.get("name")).strip().lower())
    return None
