"""kill -9 at every stage of a sync; the next run ends where an undisturbed one does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.files import Home
from impulsum_pipelines.loading.raw import refuse_half_loaded
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.sources.jira.support import alive, everything, sync
from impulsum_pipelines_tests.sources.stops import stopped_after

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
    if stage == point and (stage != "issues" or done >= 100):
        die()

loading.run_load("jira", load_settings(), progress=progress)
"""
POINTS = [
    "extract",
    "issues",
    "normalize",
    "load",
    "first table loaded",
    "rows loaded, books not",
    "books written, not committed",
]
HALF_LOADED = ("first table loaded", "rows loaded, books not", "books written, not committed")


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sync_is_simply_run_again(sandbox, tmp_path, monkeypatch, point):
    site = sandbox(seed=41, issues=150, now=NOW)
    site.control("clock", freeze=True)
    victim = subprocess.run([sys.executable, "-c", VICTIM, point], capture_output=True, text=True, check=False)
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    if point in HALF_LOADED:
        with pytest.raises(ImpulsumError, match="cut off half-way"):
            refuse_half_loaded(Home.of(load_settings()), "jira")
    sync()
    refuse_half_loaded(Home.of(load_settings()), "jira")
    rerun = everything()
    assert len(alive("issues")) == 150
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    assert everything() == rerun
    assert not list(Path(tmp_path / "home" / "work").rglob("*.parquet"))


def test_a_census_reads_what_hangs_on_issues_of_a_load_that_was_cut_off(sandbox, tmp_path, monkeypatch):
    """Issues of a project that comes into sight changed long ago: only that they are missing makes them be read."""
    site = sandbox(seed=8, issues=60, now=NOW)
    site.control("clock", freeze=True)
    project = min(site.control("ids"))
    site.control("hide_project", project=project)
    sync()
    site.control("hide_project", project=project, hidden=False)
    site.control("clock", advance_seconds=3600)
    with stopped_after("issues"):
        sync(census=True)
    assert len(alive("issues")) == 60
    sync()
    sync(census=True)
    rerun = everything()
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    assert everything() == rerun
