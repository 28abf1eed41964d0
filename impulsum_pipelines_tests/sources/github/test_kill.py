"""kill -9 at every stage of a sync; the next run ends where an undisturbed one does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.raw import refuse_half_loaded
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.github.conftest import StartGitHub
from impulsum_pipelines_tests.sources.pulls import Pulls
from impulsum_pipelines_tests.sources.stops import stopped_after, stopped_before_metadata
from impulsum_pipelines_tests.sources.victims import HALF_LOADED, kill

NOW = "2026-11-01T12:00:00Z"

#: Where it dies, and how much of a stream it has read by then.
POINTS = {"pull_requests": 1, "load": 0, **dict.fromkeys(HALF_LOADED[:2], 0)}


@pytest.mark.full_load
@pytest.mark.exhaustive
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sync_is_simply_run_again(
    sandbox: SandboxFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    site, pulls = sandbox(seed=41, issues=24, now=NOW), Pulls("github")
    site.control("clock", freeze=True)
    kill("github", point, after=POINTS[point])
    pulls.sync()
    refuse_half_loaded(Home.of(load_settings()), "github")
    rerun = pulls.everything()
    assert pulls.differences(site.control("github/truth")) == {}
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    pulls.sync()
    assert pulls.everything() == rerun
    assert not list(Path(tmp_path / "home" / "work").rglob("*.parquet"))


@pytest.mark.exhaustive
def test_a_census_reads_the_reviews_and_commits_of_a_load_that_was_cut_off(github: StartGitHub) -> None:
    hub = github()
    hub.sync()
    hub.later()
    number = hub.do("open_pull_request")["number"]
    hub.do("review", number=number)
    hub.later()
    with stopped_after("pull_requests"):
        hub.sync()
    assert hub.differences().keys() >= {"reviews", "commits"}
    assert "pull_requests" not in hub.differences()
    hub.sync(census=True)
    assert hub.differences() == {}


def test_a_sync_that_ends_early_does_not_repair_a_load_that_was_cut_off(github: StartGitHub) -> None:
    hub = github()
    hub.sync()
    hub.later()
    number = hub.do("open_pull_request")["number"]
    hub.do("review", number=number)
    hub.later()
    with stopped_after("pull_requests"):
        hub.sync()
    hub.fault("/issues", kind="status", status=503, count=100)
    with pytest.raises(ImpulsumError, match="503"):
        hub.sync()
    hub.site.control("clear_faults")
    refuse_half_loaded(Home.of(load_settings()), "github")
    hub.sync(census=True)
    assert hub.differences() == {}
    assert {status for (status,) in hub.held("select status from raw.syncs")} == {"done", "incomplete"}


def test_statuses_of_deployments_of_a_load_that_was_cut_off_are_read(github: StartGitHub) -> None:
    hub = github()
    hub.sync()
    hub.later()
    hub.do("deploy", state="success")
    hub.later()
    with stopped_after("deployments"):
        hub.sync()
    assert hub.differences().keys() >= {"deployment_statuses"}
    assert "deployments" not in hub.differences()
    hub.sync()
    assert hub.differences() == {}


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(partial(stopped_after, "pull_requests"), id="after the pull requests"),
        pytest.param(stopped_before_metadata, id="before the metadata", marks=pytest.mark.exhaustive),
    ],
)
def test_commits_that_a_forced_push_dropped_before_a_load_was_cut_off_are_gone(
    github: StartGitHub, stop: Callable[[], AbstractContextManager[None]]
) -> None:
    """The pull request's row says what it has now: which commits it had before is no longer known."""
    hub = github()
    hub.sync()
    hub.later()
    number = hub.do("open_pull_request", commits=3)["number"]
    hub.sync()
    hub.later()
    hub.do("force_push", pull=number)
    hub.later()
    with stop():
        hub.sync()
    assert hub.differences()["commits"]["surplus"]
    hub.sync()
    assert hub.differences() == {}
