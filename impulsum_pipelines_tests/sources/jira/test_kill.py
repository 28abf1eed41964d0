"""kill -9 at every stage of a sync: the next run ends with the same rows as an undisturbed one."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from dagster import DagsterExecutionInterruptedError, raise_execution_interrupts
from dlt.common.storages.load_package import PackageStorage

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.raw import refuse_half_loaded
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.jira.support import alive, everything, sync
from impulsum_pipelines_tests.sources.stops import stopped_after
from impulsum_pipelines_tests.sources.victims import HALF_LOADED, kill

NOW = "2026-11-01T12:00:00Z"

#: Where it dies, and how much of a stream it has read by then.
POINTS = {"extract": 0, "issues": 100, "normalize": 0, "load": 0, **dict.fromkeys(HALF_LOADED, 0)}
#: One of the points before the load, and one within it.
SHORT = ("issues", "first table loaded")


@pytest.mark.full_load
@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=() if point in SHORT else pytest.mark.exhaustive) for point in POINTS]
)
def test_a_killed_sync_only_needs_to_run_again(
    sandbox: SandboxFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    site = sandbox(seed=41, issues=150, now=NOW)
    site.control("clock", freeze=True)
    kill("jira", point, after=POINTS[point])
    sync()
    refuse_half_loaded(Home.of(load_settings()), "jira")
    rerun = everything()
    assert len(alive("issues")) == 150
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    assert everything() == rerun
    assert not list(Path(tmp_path / "home" / "work").rglob("*.parquet"))


def test_a_census_reads_what_belongs_to_issues_of_a_load_that_was_cut_off(
    sandbox: SandboxFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issues of a project that becomes visible changed long ago: they are read only because they are missing."""
    site = sandbox(seed=8, issues=20, projects=2, now=NOW)
    site.control("clock", freeze=True)
    project = min(site.control("ids"))
    site.control("hide_project", project=project)
    sync()
    site.control("hide_project", project=project, hidden=False)
    site.control("clock", advance_seconds=3600)
    with stopped_after("issues"):
        sync(census=True)
    assert len(alive("issues")) == 20
    sync()
    sync(census=True)
    rerun = everything()
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    assert everything() == rerun


@pytest.mark.full_load
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="SIGINT", marks=pytest.mark.exhaustive),
        pytest.param(signal.SIGTERM, id="SIGTERM"),
    ],
)
def test_a_signal_during_the_load_ends_it_at_once(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """dlt would delay the signal until the load is over, and lose it when nothing follows."""
    sandbox(seed=41, issues=20, now=NOW)
    with monkeypatch.context() as loading, pytest.raises(DagsterExecutionInterruptedError):
        loading.setattr(PackageStorage, "complete_job", lambda *_, **__: signal.raise_signal(number))
        with raise_execution_interrupts():
            sync()
    sync()
    assert len(alive("issues")) == 20
