"""velocity.portfolio of the firm with risks: present work, past velocity and open risks of each board."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines_tests.marts.risk.world import NOW, ny
from impulsum_pipelines_tests.marts.velocity.warehouse import query

pytestmark = pytest.mark.xdist_group("velocity")  # one dbt process serves both


@pytest.fixture(scope="module")
def boards(risky_home: Path) -> dict[str, dict[str, Any]]:
    """The rows of velocity.portfolio by board."""
    return {row["board_id"]: row for row in query(risky_home, "select * from velocity.portfolio")}


def test_a_board_that_counts_issues_shows_its_sprint_and_the_few_before(boards: dict[str, dict[str, Any]]) -> None:
    """Of what was carried through the closed sprints one of the last one's five was done in it, APP-33."""
    shown = {
        "board_name": "APP board",
        "active_sprints": 1,
        "active_sprint_name": "Sprint 13",
        "active_started_at": ny(16),
        "active_planned_end_at": ny(27, 17),
        "active_committed_points": None,
        "active_completed_issues": 1,
        "last_closed_at": ny(13, 17),
        "sample_sprints": 3,
        "sample_points": [],
        "velocity_points": None,
        "sample_issues": [0, 0, 1],
        "velocity_issues": 0.333333,
        "earlier_velocity_issues": None,
        "say_do_issue_ratio": 0.066667,
        "as_of": NOW,
    }
    assert {column: boards["1"][column] for column in shown} == shown


def test_a_board_without_an_active_sprint_is_shown_with_what_it_closed(boards: dict[str, dict[str, Any]]) -> None:
    ended = boards["5"]
    assert {column: value for column, value in ended.items() if column.startswith("active_") and value is not None} == {
        "active_sprints": 0
    }
    assert (ended["last_closed_at"], ended["sample_points"], ended["velocity_points"]) == (ny(20, 17), [0], None)


def test_scope_that_grew_is_the_change_of_the_sprint(boards: dict[str, dict[str, Any]]) -> None:
    """APP-40 was written into the sprint of the first board on its last day but one."""
    changes = {board: (row["active_scope_change_points"], row["active_scope_change_issues"])
               for board, row in boards.items() if row["active_sprints"]}  # fmt: skip
    assert changes == {"1": (None, 1), "2": (5, 1), "3": (3, 1), "4": (10, 2), "6": (None, 1), "7": (0, 0), "8": (1, 1)}


def test_a_board_counts_the_open_signals_that_name_it(
    boards: dict[str, dict[str, Any]], risks: dict[str, dict[str, Any]]
) -> None:
    named = Counter((row["board_id"], row["severity"]) for row in risks.values() if row["is_open"] and row["board_id"])
    assert len({board for board, _ in named}) > 2
    assert {
        (board, severity): row[f"open_{severity.lower()}_risks"]
        for board, row in boards.items()
        for severity in ("P1", "P2", "P3")
        if row[f"open_{severity.lower()}_risks"]
    } == named
