"""kill -9 at every stage of a sync; the next run ends where an undisturbed one does."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.files import Home
from impulsum_pipelines.loading.raw import refuse_half_loaded
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.sources.pulls import Pulls
from impulsum_pipelines_tests.sources.stops import stopped_after, stopped_before_books

NOW = "2026-11-01T12:00:00Z"

#: A sync that kills itself: at the start of a stage, after some pages, or between two steps of the load.
VICTIM = """
import os, signal, sys
from impulsum_pipelines.loading import run_load as loading
from impulsum_pipelines.settings import load_settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

point = sys.argv[1]
if point == "first table loaded":
    from dlt.load.load import Load
    original, done = Load.complete_package, []
    from dlt.common.storages.load_package import PackageStorage
    complete = PackageStorage.complete_job
    def counted(self, *args, **kwargs):
        done.append(1)
        result = complete(self, *args, **kwargs)
        if len(done) == 3:
            die()
        return result
    PackageStorage.complete_job = counted
elif point == "rows loaded, books not":
    loading.mark_gone = die
elif point == "books written, not committed":
    loading._books_of = die

def progress(stage, done, total):
    if stage == point and (stage != "pull_requests" or done):
        die()

loading.run_load("github", load_settings(), progress=progress)
"""
POINTS = [
    "extract",
    "pull_requests",
    "normalize",
    "load",
    "first table loaded",
    "rows loaded, books not",
    "books written, not committed",
]
HALF_LOADED = ("first table loaded", "rows loaded, books not", "books written, not committed")


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sync_is_simply_run_again(sandbox, tmp_path, monkeypatch, point):
    site, pulls = sandbox(seed=41, issues=24, now=NOW), Pulls("github")
    site.control("clock", freeze=True)
    victim = subprocess.run([sys.executable, "-c", VICTIM, point], capture_output=True, text=True, check=False)
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    if point in HALF_LOADED:
        with pytest.raises(ImpulsumError, match="cut off half-way"):
            refuse_half_loaded(Home.of(load_settings()), "github")
    pulls.sync()
    refuse_half_loaded(Home.of(load_settings()), "github")
    rerun = pulls.everything()
    assert pulls.differences(site.control("github/truth")) == {}
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    pulls.sync()
    assert pulls.everything() == rerun
    assert not list(Path(tmp_path / "home" / "work").rglob("*.parquet"))


def test_a_census_reads_what_hangs_on_pull_requests_of_a_load_that_was_cut_off(github):
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


def test_a_sync_that_ends_early_does_not_make_good_a_load_that_was_cut_off(github):
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


def test_statuses_of_deployments_of_a_load_that_was_cut_off_are_read(github):
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


@pytest.mark.parametrize("stop", [partial(stopped_after, "pull_requests"), stopped_before_books])
def test_commits_that_a_forced_push_dropped_before_a_load_was_cut_off_are_gone(github, stop):
    """The pull request's row says what it has now: which commits it had before is known no more."""
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
