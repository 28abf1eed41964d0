"""The velocity table, story by story, and the marts around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.marts.manifest import PROJECT
from impulsum_pipelines_tests.marts.velocity.stories import STORIES
from impulsum_pipelines_tests.marts.velocity.warehouse import query

pytestmark = pytest.mark.xdist_group("velocity")


@pytest.mark.parametrize("name", STORIES)
def test_velocity_matches_the_story(velocity: dict[str, dict[str, Any]], name: str) -> None:
    story, expected = STORIES[name]
    row = velocity[story.sprint]
    actual = {column: row[column] if row[column] is None or isinstance(row[column], str | bool) else float(row[column])
              for column in expected}  # fmt: skip
    assert actual == expected


def test_the_second_of_two_sprints_at_once_counts_it_too(velocity: dict[str, dict[str, Any]]) -> None:
    assert (velocity["192"]["committed_points"], velocity["192"]["completed_points"]) == (3, 3)


def test_scope_changes_say_who_did_what(built: Path) -> None:
    rows = query(
        built,
        "select change, points, points_before, points_after, changed_by from velocity.sprint_scope_changes "
        "where sprint_id in ('121', '141', '351') order by sprint_id, issue_id, occurred_at",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("committed", 3, None, 3, None),
        ("removed", -3, 3, None, "u1"),
        ("added", 3, None, 3, "u1"),
        ("committed", 3, None, 3, None),
        ("reestimated", 5, 3, 8, "u1"),
        ("committed", 3, None, 3, None),
        ("removed", -3, 3, None, None),  # deleted: nobody took it out
        ("committed", 2, None, 2, None),
    ]


def test_future_sprints_have_no_velocity_but_are_listed(built: Path, velocity: dict[str, dict[str, Any]]) -> None:
    assert "322" not in velocity
    (sprint,) = query(built, "select state, issues_now from core.sprints where sprint_id = '322'")
    assert sprint == {"state": "future", "issues_now": 1}


def test_the_build_stores_its_results(built: Path) -> None:
    (invocation,) = query(built, "select command, finished_at is not null as ended from audit.invocations")
    assert invocation == {"command": "build", "ended": True}
    (results,) = query(built, "select count(*) as n, count_if(status in ('success', 'pass')) as good from "
                             "audit.node_results where status <> 'never built'")  # fmt: skip
    assert results["n"] == results["good"] > 60


def test_a_partial_build_stores_which_marts_were_never_built(built: Path) -> None:
    marts = {model.stem for model in (PROJECT / "models" / "marts").rglob("*.sql")}
    held = {row["table_name"] for row in query(built, "select table_name from duckdb_tables()")}
    never = query(built, "select unique_id from audit.node_results where status = 'never built'")
    assert {row["unique_id"].removeprefix("model.impulsum.") for row in never} == marts - held != set()


def test_daily_throughput_is_dense_and_counts_each_issue_once(built: Path) -> None:
    (totals,) = query(
        built,
        "select sum(created_issues) as created, sum(completed_issues) as completed, sum(completed_points) as points, "
        "count(*) = count(distinct project_id) * (date_diff('day', min(day), max(day)) + 1) as is_dense "
        "from velocity.throughput_daily",
    )
    (created,) = query(built, "select count(*) as created from core.issues where not is_deleted and not is_subtask")
    (completed,) = query(
        built,
        "select count(*) as completed, sum(points) as points from velocity.issue_cycle_times "
        "where done_at is not null and not is_subtask",
    )
    assert totals == created | completed | {"is_dense": True}


def test_working_hours_are_those_of_the_zone(built: Path) -> None:
    """Monday 9 o'clock in Berlin is 08:00 UTC, minute 480: all before is night, and the story ends in it."""
    rows = query(built, "select lead_hours > 0 as took, lead_business_hours from velocity.issue_cycle_times "
                       "where done_at > created_at")  # fmt: skip
    assert rows
    assert all(row == {"took": True, "lead_business_hours": 0.0} for row in rows)
