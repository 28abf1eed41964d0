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
from impulsum_pipelines_tests.sources.notion.support import differences, everything, later, sync
from impulsum_pipelines_tests.sources.stops import stopped_after

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
    if stage == point and (stage != "pages" or done >= 5):
        die()

loading.run_load("notion", load_settings(), progress=progress)
"""
POINTS = [
    "extract",
    "pages",
    "normalize",
    "load",
    "first table loaded",
    "rows loaded, books not",
    "books written, not committed",
]
HALF_LOADED = ("first table loaded", "rows loaded, books not", "books written, not committed")


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sync_is_simply_run_again(workspace, tmp_path, monkeypatch, point):
    site = workspace(seed=41)
    victim = subprocess.run([sys.executable, "-c", VICTIM, point], capture_output=True, text=True, check=False)
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    if point in HALF_LOADED:
        with pytest.raises(ImpulsumError, match="cut off half-way"):
            refuse_half_loaded(Home.of(load_settings()), "notion")
    sync()
    refuse_half_loaded(Home.of(load_settings()), "notion")
    rerun = everything()
    assert differences(site) == {}
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    assert everything() == rerun
    assert not list(Path(tmp_path / "home" / "work").rglob("*.parquet"))


def test_blocks_and_comments_of_a_page_of_a_load_that_was_cut_off_are_read(workspace):
    """The page was not edited since long before: only that it is not held makes a live pull read it."""
    site = workspace()
    home = site.control("notion/truth")["pages"]
    [team_home] = [page_id for page_id, page in home.items() if page["title"] == "Team home"]
    page = site.control("notion/create_page", parent=team_home, title="Old", lines=["one", "two"])["id"]
    site.control("notion/comment", page=page)
    site.control("notion/unshare", thing=page)
    later(site, 24 * 60)
    sync()
    site.control("notion/share", thing=page)
    later(site)
    with stopped_after("pages"):
        sync()
    assert differences(site).keys() == {"blocks", "comments"}
    sync()
    assert differences(site) == {}


def test_entries_of_a_data_source_of_a_load_that_was_cut_off_are_read(workspace, monkeypatch):
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    site = workspace()
    [source] = [i for i, s in site.control("notion/truth")["data_sources"].items() if s["title"] == "Specs"]
    site.control("notion/unshare", thing=source)
    later(site, 24 * 60)
    sync()
    site.control("notion/share", thing=source)
    later(site)
    with stopped_after("data_sources"):
        sync()
    assert differences(site).keys() >= {"pages", "blocks"}
    assert "data_sources" not in differences(site)
    sync()
    assert differences(site) == {}
