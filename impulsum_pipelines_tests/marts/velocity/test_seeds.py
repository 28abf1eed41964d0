"""For any seed the published velocity is the truth, to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.truth import differences, velocity_builds

#: Small sites of every kind: a single issue, one team with story points, two, and a third that counts issues only.
SITES: dict[int, dict[str, Any]] = {
    101: {"issues": 1},
    102: {"issues": 35},
    103: {"issues": 90, "projects": 1, "sprints": 9},
    104: {"issues": 120, "time_zone": "America/New_York"},
    105: {"issues": 210},
    106: {"issues": 150, "projects": 3, "sprints": 4},
}


@pytest.mark.long
@pytest.mark.exhaustive
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
