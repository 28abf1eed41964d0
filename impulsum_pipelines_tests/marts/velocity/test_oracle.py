"""Five hundred random histories: the models agree with plain bookkeeping, and every sprint adds up."""

from __future__ import annotations

from typing import Any

import pytest

from impulsum_pipelines_tests.marts.velocity import generate, oracle

pytestmark = pytest.mark.xdist_group("velocity")


def test_every_sprint_equals_the_bookkeeping(velocity: dict[str, dict[str, Any]]) -> None:
    wrong = {}
    for seed in generate.SEEDS:
        world = generate.world(seed)
        for sprint in (one for one in world.sprints if one.state != "future"):
            expected = oracle.velocity(sprint, world)
            got = {column: velocity[sprint.id][column] for column in expected}
            if got != expected:
                wrong[seed, sprint.id] = {c: (got[c], expected[c]) for c in expected if got[c] != expected[c]}
    assert wrong == {}


def test_every_sprint_adds_up(velocity: dict[str, dict[str, Any]]) -> None:
    assert len(velocity) > 800
    for row in velocity.values():
        assert row["final_issues"] == row["committed_issues"] + row["added_issues"] - row["removed_issues"]
        if row["estimation_field_id"]:
            scope = row["committed_points"] + row["added_points"] - row["removed_points"] + row["reestimated_points"]
            assert row["final_points"] == scope


def test_the_histories_hold_every_case(velocity: dict[str, dict[str, Any]]) -> None:
    for measure in oracle.MEASURES:
        assert sum(row[f"{measure}_issues"] for row in velocity.values()) > 20, measure
