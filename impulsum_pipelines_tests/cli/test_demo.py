"""``impulsum demo``, and what it rests on: for any seed the published velocity is the truth, to the last digit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.cli.demo import differences as told_differences
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.cli.test_work import impulsum
from impulsum_pipelines_tests.truth import differences, velocity, velocity_builds

#: Small sites of every kind: a single issue, one team with story points, two, and a third that counts issues only.
SITES: dict[int, dict[str, Any]] = {
    101: {"issues": 1},
    102: {"issues": 35},
    103: {"issues": 90, "projects": 1, "sprints": 9},
    104: {"issues": 120, "time_zone": "America/New_York"},
    105: {"issues": 210},
    106: {"issues": 150, "projects": 3, "sprints": 4},
}


def test_demo_shows_velocity_that_equals_the_truth(tmp_path: Path) -> None:
    done = impulsum("demo", "--seed", "11", "--issues", "90")
    assert done.returncode == 0, done.stdout + done.stderr
    published = tmp_path / "home" / "impulsum.duckdb"
    truth = json.loads((tmp_path / "home" / "demo" / "truth.json").read_text())
    sprints = truth["sprints"]
    assert truth["seed"] == 11 and len(sprints) >= 8
    assert differences(published, truth) == {}

    said = " ".join(done.stderr.split())
    assert f"{len(sprints)} of {len(sprints)} sprints equal the truth" in said
    assert str(published) in "".join(done.stderr.split())
    assert "Next:" in said and 'sql "from velocity.sprint_scope_changes' in said and "make dev" in said

    head, *lines = done.stdout.splitlines()
    for column in ("committed", "added", "removed", "final", "completed", "say/do"):
        assert column in head
    rows = velocity(published)
    assert len(lines) == len(rows)
    for row in rows.values():
        (line,) = (line for line in lines if line.startswith(f"{row['sprint_name']} "))
        unit = "points" if row["estimation_field_id"] else "issues"
        cells = line.removeprefix(row["sprint_name"]).split()
        assert cells[:2] == [row["state"], unit]
        measures = ("committed", "added", "removed", "reestimated", "final", "completed", "carryover")
        assert [float(cell) for cell in cells[2:9]] == [float(row[f"{measure}_{unit}"]) for measure in measures]


def test_every_seed_is_the_truth(sandbox: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truths = {}
    with velocity_builds() as build:
        for seed, site in SITES.items():
            home = tmp_path / str(seed)
            monkeypatch.setenv("IMPULSUM_HOME", str(home))
            served = sandbox(seed=seed, **site)
            run_load("jira", load_settings())
            build(home)
            truths[home] = served.truth()
    wrong = {home.name: differences(home / "warehouse.duckdb", truth) for home, truth in truths.items()}
    assert not any(wrong.values()), wrong
    assert sum(len(truth["sprints"]) for truth in truths.values()) > 50
    in_points = {sprint["committed_points"] is not None for truth in truths.values() for sprint in truth["sprints"]}
    assert in_points == {True, False}


def test_the_demo_tells_every_difference() -> None:
    sprint = {"sprint_id": "1", "state": "closed", "final_points": 3.0, "say_do_ratio": None}
    assert told_differences([sprint], [sprint | {"final_points": 3}]) == []
    assert told_differences([sprint], [sprint | {"final_points": 3.001}]) == [("1", "final_points", 3.0, 3.001)]
    assert told_differences([sprint], [sprint | {"state": "active"}]) == [("1", "state", "closed", "active")]
    assert told_differences([sprint], [sprint | {"added_points": 0}]) == [("1", "added_points", "no such column", 0)]
    assert told_differences([sprint], []) == [("1", "sprint_id", "1", None)]
    assert told_differences([], [sprint]) == [("1", "sprint_id", None, "1")]
