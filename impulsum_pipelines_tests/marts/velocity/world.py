"""A small Jira for the models: issues with the timelines of their fields, and the raw rows that describe them.

Instants are whole minutes after ``EPOCH``. A timeline is a list of (minute, value): the first entry is the value at
creation, each later one is a change. The raw rows hold what Jira would tell: current values, and a changelog.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from impulsum_pipelines.sources.base.table import columns_sql
from impulsum_pipelines.sources.jira.tables import TABLES

EPOCH = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
STORY_POINTS, POINT_ESTIMATE = "customfield_10016", "customfield_10028"
UNSEEN_POINTS = "customfield_10099"  # has no role, and no board estimates with it
SPRINT_FIELD = "customfield_10020"
FIELD_NAMES = {
    STORY_POINTS: "Story Points",
    POINT_ESTIMATE: "Story point estimate",
    UNSEEN_POINTS: "Size",
}
TYPES = {False: {"id": "10001", "name": "Story"}, True: {"id": "10002", "name": "Sub-task"}}
TO_DO, IN_PROGRESS, DONE, CANCELLED = "1", "2", "3", "4"  # CANCELLED is done by category and on no column
NO_CATEGORY = "5"
CATEGORIES = {TO_DO: "new", IN_PROGRESS: "indeterminate", DONE: "done", CANCELLED: "done", NO_CATEGORY: "undefined"}

Timeline = list[tuple[int, Any]]


def at(minute: int | None) -> datetime | None:
    """The instant of a minute."""
    return None if minute is None else EPOCH + timedelta(minutes=minute)


@dataclass
class Issue:
    """One issue: timelines of status id, of each estimation field, of the set of sprint ids, of being a sub-task."""

    id: str
    status: Timeline = field(default_factory=lambda: [(0, TO_DO)])
    points: dict[str, Timeline] = field(default_factory=dict)
    sprints: Timeline = field(default_factory=lambda: [(0, ())])
    project: str = "1"
    subtask: Timeline = field(default_factory=lambda: [(0, False)])
    resolved: int | None = None
    deleted: int | None = None

    @property
    def created(self) -> int:
        return int(self.status[0][0])


@dataclass
class Sprint:
    """One sprint; ``complete`` is None until it is closed."""

    id: str
    board: str | None
    start: int | None
    end: int
    complete: int | None = None
    state: str = "closed"
    deleted: int | None = None


@dataclass
class Board:
    """One board; without ``columns`` its configuration could not be read."""

    id: str
    estimation: str | None = STORY_POINTS
    columns: tuple[tuple[str, ...], ...] = ((TO_DO,), (IN_PROGRESS,), (DONE,))


@dataclass
class World:
    """The content of one site at ``now``, the minute at which all of it was read."""

    issues: list[Issue]
    sprints: list[Sprint]
    boards: list[Board]
    now: int


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _item(field_id: str, name: str, before: Any, after: Any) -> dict[str, Any]:
    if field_id == SPRINT_FIELD:
        ids = [", ".join(value) for value in (before, after)]
        names = [", ".join(f"Sprint {one}" for one in value) for value in (before, after)]
        return {"field": name, "fieldId": field_id, "from": ids[0], "fromString": names[0], "to": ids[1],
                "toString": names[1]}  # fmt: skip
    if field_id == "issuetype":
        kinds = [TYPES[value] for value in (before, after)]
        return {"field": name, "fieldId": field_id, "from": kinds[0]["id"], "fromString": kinds[0]["name"],
                "to": kinds[1]["id"], "toString": kinds[1]["name"]}  # fmt: skip
    if field_id == "status":
        return {"field": name, "fieldId": field_id, "from": before, "fromString": f"status {before}", "to": after,
                "toString": f"status {after}"}  # fmt: skip
    return {"field": name, "fieldId": field_id, "from": None, "fromString": _text(before) or "", "to": None,
            "toString": _text(after) or ""}  # fmt: skip


def _histories(issue: Issue) -> list[dict[str, Any]]:
    """The changelog: the changes of one minute share a history, as one edit of several fields does.

    Ids grow as numbers, not as text: the tenth history of an issue sorts before its second by letter.
    """
    lines = [("status", "status", issue.status), (SPRINT_FIELD, "Sprint", issue.sprints),
             ("issuetype", "issuetype", issue.subtask)]  # fmt: skip
    lines += [(name, FIELD_NAMES[name], line) for name, line in issue.points.items()]
    edits: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for field_id, name, line in lines:
        turns: dict[int, int] = {}
        for (_, before), (minute, after) in pairwise(line):
            turn = turns[minute] = turns.get(minute, 0) + 1
            edits.setdefault((minute, turn), []).append(_item(field_id, name, before, after))
    return [
        {"id": f"{issue.id}{number}", "minute": minute, "items": items}
        for number, ((minute, _), items) in enumerate(sorted(edits.items()), 1)
    ]


def raw_rows(world: World) -> dict[str, list[dict[str, Any]]]:
    """The rows of every raw table that the models read, as of ``world.now``."""
    read = {"site": "acme.test", "sync_id": "s1", "extracted_at": at(world.now)}
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TABLES}
    for issue in world.issues:
        status = issue.status[-1][1]
        is_subtask = issue.subtask[-1][1]
        fields = {name: line[-1][1] for name, line in issue.points.items()} | {"issuetype": TYPES[is_subtask]}
        histories = _histories(issue)
        rows["issues"].append(
            read
            | {
                "id": issue.id,
                "key": f"P{issue.project}-{issue.id}",
                "project_id": issue.project,
                "project_key": f"P{issue.project}",
                "issue_type": TYPES[is_subtask]["name"],
                "is_subtask": is_subtask,
                "status_id": status,
                "status_name": f"status {status}",
                "status_category": CATEGORIES[status],
                "created_at": at(issue.created),
                "updated_at": at(max([issue.created, *(h["minute"] for h in histories)])),
                "resolved_at": at(issue.resolved),
                "sprint_ids": json.dumps(list(issue.sprints[-1][1])),
                "payload": json.dumps({"fields": fields}),
                "deleted_at": at(issue.deleted),
                "change_total": len(histories),
            }
        )
        rows["changes"] += [
            read
            | {
                "id": history["id"],
                "issue_id": issue.id,
                "author_id": "u1",
                "created_at": at(history["minute"]),
                "payload": json.dumps({"id": history["id"], "items": history["items"]}),
            }
            for history in histories
        ]
    rows["sprints"] = [
        read
        | {
            "id": sprint.id,
            "name": f"Sprint {sprint.id}",
            "state": sprint.state,
            "board_id": sprint.board,
            "start_at": at(sprint.start),
            "end_at": at(sprint.end),
            "complete_at": at(sprint.complete),
            "deleted_at": at(sprint.deleted),
        }
        for sprint in world.sprints
    ]
    rows["boards"] = [
        read
        | {
            "id": board.id,
            "name": f"Board {board.id}",
            "type": "scrum",
            "estimation_type": "field" if board.estimation else "issueCount",
            "estimation_field_id": board.estimation,
            "columns": json.dumps([{"name": "c", "status_ids": list(ids)} for ids in board.columns]),
            "done_status_ids": json.dumps(list(board.columns[-1]) if board.columns else []),
        }
        for board in world.boards
    ]
    rows["projects"] = [
        read | {"id": name, "key": f"P{name}", "name": f"Project {name}"}
        for name in sorted({issue.project for issue in world.issues})
    ]
    rows["users"] = [read | {"id": "u1", "display_name": "Ada", "is_active": True}]
    rows["statuses"] = [
        read | {"id": key, "name": f"status {key}", "category": category} for key, category in CATEGORIES.items()
    ]
    rows["fields"] = [
        read | {"id": key, "name": name, "role": role}
        for key, name, role in (
            ("status", "Status", None),
            (SPRINT_FIELD, "Sprint", "sprint"),
            (STORY_POINTS, FIELD_NAMES[STORY_POINTS], "story_points"),
            (POINT_ESTIMATE, FIELD_NAMES[POINT_ESTIMATE], "story_point_estimate"),
            (UNSEEN_POINTS, FIELD_NAMES[UNSEEN_POINTS], None),
        )
    ]
    return rows


_SYNCS = """sync_id text, source text, mode text, census bool, window_start timestamptz, window_end timestamptz,
    watermark_from timestamptz, watermark_to timestamptz, started_at timestamptz, finished_at timestamptz, status text,
    requests int, limit_waits int, limit_wait_seconds double, extract_seconds double, normalize_seconds double,
    load_seconds double, rows json, streams json, error text"""
_CENSUS = """sync_id text, taken_at timestamptz, entity text, scope_id text, scope_name text, at_source int, held int,
    missing int, deleted int, unreachable int, approximate int"""


def write_raw(path: Path, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Write rows into the raw file, or merge them by id: the declared tables, and the two metadata tables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(path) as raw:
        raw.execute("set TimeZone = 'UTC'")
        raw.execute("create schema if not exists raw")
        raw.execute(f"create table if not exists raw.syncs ({_SYNCS})")
        raw.execute(f"create table if not exists raw.census ({_CENSUS})")
        for table in TABLES:
            columns = columns_sql(table.all_columns)
            raw.execute(f"create table if not exists raw.{table.name} ({columns}, primary key (id))")
            if rows.get(table.name):
                raw.register("incoming", pa.Table.from_pylist(rows[table.name], schema=table.schema))
                raw.execute(f"insert or replace into raw.{table.name} select * from incoming")
                raw.unregister("incoming")


def together(worlds: Sequence[World]) -> World:
    """Several worlds as one site; their ids must differ."""
    return World(
        issues=[issue for world in worlds for issue in world.issues],
        sprints=[sprint for world in worlds for sprint in world.sprints],
        boards=[board for world in worlds for board in world.boards],
        now=max(world.now for world in worlds),
    )
