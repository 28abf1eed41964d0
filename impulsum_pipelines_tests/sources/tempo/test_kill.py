"""kill -9 in a first pull and in a merge: the next run ends with the same rows as an undisturbed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.raw import refuse_half_loaded
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.tempo.support import NOW, door, everything, later, one, sync, wrong
from impulsum_pipelines_tests.sources.victims import HALF_LOADED, kill

pytestmark = pytest.mark.usefixtures("high_limit")


@pytest.mark.full_load
@pytest.mark.exhaustive
@pytest.mark.parametrize("point", ["worklogs", *HALF_LOADED[:2]])
def test_a_killed_sync_only_needs_to_run_again(
    sandbox: SandboxFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    site = sandbox(seed=51, issues=60, now=NOW)
    do = door(site)
    do("shrink_page", limit=15)
    site.control("clock", freeze=True)
    kill("tempo", point, after=20 if point == "worklogs" else 0)
    sync()
    refuse_half_loaded(Home.of(load_settings()), "tempo")
    first = everything()
    assert wrong(site) == {}

    later(site)
    do("bulk_touch", count=30)
    do("log")
    do("delete", worklog=one("select min(id::int) from raw.worklogs"))
    kill("tempo", point, after=20 if point == "worklogs" else 0)
    sync()
    assert wrong(site) == {}
    merged = everything()
    assert merged != first

    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    undisturbed = everything()
    assert {name: [row for row in rows if row in undisturbed[name]] for name, rows in merged.items()} == undisturbed
