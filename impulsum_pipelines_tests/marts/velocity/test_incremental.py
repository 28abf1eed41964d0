"""An incremental build equals a build from nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from impulsum_pipelines_tests.marts.velocity.conftest import ZONE, Make
from impulsum_pipelines_tests.marts.velocity.stories import STORIES
from impulsum_pipelines_tests.marts.velocity.warehouse import OF_JIRA, Dbt, query
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

pytestmark = [pytest.mark.xdist_group("velocity"), pytest.mark.long]

#: The incremental models, and what stands on them.
INCREMENTAL = (
    "intermediate.int_jira__change_items",
    "intermediate.int_jira__field_spans",
    "intermediate.int_jira__sprint_spans",
    "velocity.sprint_velocity",
)
BELOW = (
    "velocity.sprint_scope_changes",
    "velocity.issue_cycle_times",
    "velocity.throughput_daily",
    "core.issues",
    "core.sprints",
)

#: A team that chooses another estimation field and other columns.
SWITCHED = STORIES["a team that chooses another estimation field and other columns"][0].world

Contents = dict[str, list[dict[str, Any]]]


def _edited(world: World) -> World:
    """A day later: one issue moved on, one left its sprints, one was deleted, one became a sub-task, one is new.

    Nothing happens to the issues of :data:`SWITCHED`.
    """
    later = world.now + 10
    edited: list[Issue] = []
    untouched = {issue.id for issue in SWITCHED.issues}
    for number, issue in enumerate(world.issues):
        if issue.id in untouched:
            edited.append(issue)
        elif number % 5 == 0:
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


def _contents(home: Path, models: Sequence[str]) -> Contents:
    return {model: query(home, f"select * from {model} order by all") for model in models}


class Builds(NamedTuple):
    """What four builds in a row made.

    Args:
        first: of everything.
        switched: on top of it, after the board of :data:`SWITCHED` changed.
        edited: on top of that, after many issues changed.
        rebuilt: of everything again, from nothing.
    """

    first: Contents
    switched: Contents
    edited: Contents
    rebuilt: Contents


@pytest.fixture(scope="module")
def builds(dbt: Dbt, everything: World, copy_of_built: Make, tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """Builds on top of each other.

    The board goes first: it makes a field tracked, for which every issue is built again, edited or not.
    """
    home = tmp_path_factory.mktemp("edited")
    before, after = raw_rows(everything), raw_rows(_edited(everything))
    increment = _changed(before, after)
    assert 0 < len(increment["issues"]) < len(after["issues"])
    [board] = [row for row in before["boards"] if row["id"] == SWITCHED.boards[0].id]
    board |= {"estimation_field_id": UNSEEN_POINTS, "done_status_ids": json.dumps([CANCELLED])}

    def built(rows: dict[str, list[dict[str, Any]]], *options: str) -> Contents:
        write_raw(home / "raw" / "jira.duckdb", rows)
        dbt.build(home, "run", *options, "--select", "+sprint_velocity", **ZONE)
        return _contents(home, INCREMENTAL)

    copy_of_built(home)
    return Builds(
        _contents(home, INCREMENTAL), built({"boards": [board]}), built(increment), built({}, "--full-refresh")
    )


def test_increments_equal_a_full_refresh(builds: Builds) -> None:
    for model in INCREMENTAL:
        assert builds.edited[model] == builds.rebuilt[model], model
        assert builds.edited[model] != builds.switched[model], model


@pytest.mark.exhaustive
def test_increments_of_every_mart_equal_a_full_refresh(
    dbt: Dbt, tmp_path: Path, everything: World, copy_of_built: Make
) -> None:
    copy_of_built(tmp_path)
    models = (*INCREMENTAL, *BELOW)
    first = _contents(tmp_path, models)
    write_raw(tmp_path / "raw" / "jira.duckdb", _changed(raw_rows(everything), raw_rows(_edited(everything))))
    dbt.build(tmp_path, "run", *OF_JIRA, **ZONE)
    incremental = _contents(tmp_path, models)
    dbt.build(tmp_path, "run", "--full-refresh", *OF_JIRA, **ZONE)
    rebuilt = _contents(tmp_path, models)
    for model in models:
        assert incremental[model] == rebuilt[model], model
        assert incremental[model] != first[model], model


def test_a_changed_board_changes_only_its_open_sprints(builds: Builds) -> None:
    """An issue's document holds every field, so nothing but the board's row comes with the next sync.

    The closed sprints stay as they were, in a build of everything from nothing too.
    """
    [board] = SWITCHED.boards
    (closed, active), *later = (
        sorted(
            (row for row in contents["velocity.sprint_velocity"] if row["board_id"] == board.id),
            key=lambda row: row["started_at"],
        )
        for contents in builds
    )
    assert (active["committed_points"], active["completed_points"], active["say_do_issue_ratio"]) == (3, 3, 1)
    for still, now in later:
        assert still == closed
        assert (now["estimation_field_id"], now["committed_points"]) == (UNSEEN_POINTS, 5)
        assert (now["final_points"], now["completed_points"], now["unfinished_issues"]) == (13, 0, 1)
