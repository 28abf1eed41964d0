"""An incremental build equals a build from nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines_tests.marts.velocity.conftest import ZONE, Make
from impulsum_pipelines_tests.marts.velocity.stories import STORIES
from impulsum_pipelines_tests.marts.velocity.warehouse import OF_JIRA, build, query
from impulsum_pipelines_tests.marts.velocity.world import (
    CANCELLED,
    DONE,
    STORY_POINTS,
    TO_DO,
    UNSEEN_POINTS,
    Issue,
    World,
    raw_rows,
    write_raw,
)

pytestmark = pytest.mark.xdist_group("velocity")

MODELS = (
    "intermediate.int_jira__change_items",
    "intermediate.int_jira__field_spans",
    "intermediate.int_jira__sprint_spans",
    "velocity.sprint_velocity",
    "velocity.sprint_scope_changes",
    "velocity.issue_cycle_times",
    "velocity.throughput_daily",
    "core.issues",
    "core.sprints",
)


def _edited(world: World) -> World:
    """A day later: one issue moved on, one left its sprints, one was deleted, one became a sub-task, one is new."""
    later = world.now + 10
    edited: list[Issue] = []
    for number, issue in enumerate(world.issues):
        if number % 5 == 0:
            line = issue.points.get(STORY_POINTS, [(issue.created, None)])
            points = issue.points | {STORY_POINTS: [*line, (later, 13)]}
            edited.append(replace(issue, status=[*issue.status, (later, DONE)], points=points))
        elif number % 5 == 1 and issue.sprints[-1][1]:
            edited.append(replace(issue, sprints=[*issue.sprints, (later, ())]))
        elif number % 5 == 2 and issue.deleted is None:
            edited.append(replace(issue, deleted=later))
        elif number % 5 == 3:
            edited.append(replace(issue, subtask=[*issue.subtask, (later, not issue.subtask[-1][1])]))
        else:
            edited.append(issue)
    newcomer = Issue("999999", status=[(later, TO_DO)], sprints=[(later, (world.sprints[0].id,))])
    moved = [replace(world.sprints[0], start=1), *world.sprints[1:]]
    return replace(world, issues=[*edited, newcomer], sprints=moved, now=later + 5)


def _changed(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The rows that a second sync would write: those that are new, or differ in more than the time of reading."""

    def content(row: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in row.items() if key != "extracted_at"}

    held = {(table, row["id"]): content(row) for table, rows in before.items() for row in rows}
    return {
        table: [row for row in rows if held.get((table, row["id"])) != content(row)] for table, rows in after.items()
    }


def _contents(home: Path) -> dict[str, list[dict[str, Any]]]:
    return {model: query(home, f"select * from {model} order by all") for model in MODELS}


def test_increments_equal_a_full_refresh(tmp_path: Path, everything: World, copy_of_built: Make) -> None:
    before, after = raw_rows(everything), raw_rows(_edited(everything))
    increment = _changed(before, after)
    assert 0 < len(increment["issues"]) < len(after["issues"])
    copy_of_built(tmp_path)
    first = _contents(tmp_path)
    write_raw(tmp_path / "raw" / "jira.duckdb", increment)
    build(tmp_path, "run", *OF_JIRA, **ZONE)
    incremental = _contents(tmp_path)
    build(tmp_path, "run", "--full-refresh", *OF_JIRA, **ZONE)
    rebuilt = _contents(tmp_path)
    for model in MODELS:
        assert incremental[model] == rebuilt[model], model
        assert incremental[model] != first[model], model


def test_a_changed_board_changes_only_its_open_sprints(tmp_path: Path, copy_of_built: Make) -> None:
    """An issue's document holds every field, so nothing but the board's row comes with the next sync.

    The closed sprints stay as they were, in a build of everything from nothing too.
    """
    (board,) = raw_rows(STORIES["a team that chooses another estimation field and other columns"][0].world)["boards"]
    of_board = f"select * from velocity.sprint_velocity where board_id = '{board['id']}' order by started_at"
    copy_of_built(tmp_path)
    closed, active = query(tmp_path, of_board)
    assert (active["committed_points"], active["completed_points"], active["say_do_issue_ratio"]) == (3, 3, 1)
    changed = {"estimation_field_id": UNSEEN_POINTS, "done_status_ids": json.dumps([CANCELLED])}
    write_raw(tmp_path / "raw" / "jira.duckdb", {"boards": [board | changed]})
    for options in ([], ["--full-refresh"]):
        build(tmp_path, "run", *options, "--select", "+sprint_velocity", **ZONE)
        still, now = query(tmp_path, of_board)
        assert still == closed
        assert (now["estimation_field_id"], now["committed_points"]) == (UNSEEN_POINTS, 5)
        assert (now["final_points"], now["completed_points"], now["unfinished_issues"]) == (13, 0, 1)
