"""kill -9 in a first pull and in a merge; the next run ends where an undisturbed one does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.files import Home
from impulsum_pipelines.loading.raw import refuse_half_loaded
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.sources.tempo.support import NOW, door, everything, later, one, sync, wrong

#: A sync that kills itself: in the middle of a walk, in the load, or before the books are written.
VICTIM = """
import os, signal, sys
from impulsum_pipelines.loading import run_load as loading
from impulsum_pipelines.settings import load_settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

point = sys.argv[1]
if point == "one table loaded":
    from dlt.common.storages.load_package import PackageStorage
    complete, done = PackageStorage.complete_job, []
    def counted(self, *args, **kwargs):
        result = complete(self, *args, **kwargs)
        done.append(1)
        if len(done) == 2:
            die()
        return result
    PackageStorage.complete_job = counted
elif point == "rows loaded, books not":
    loading.mark_gone = die

def progress(stage, done, total):
    if stage == point and (stage != "worklogs" or done >= 20):
        die()

loading.run_load("tempo", load_settings(), progress=progress)
"""
HALF_LOADED = ("one table loaded", "rows loaded, books not")


def kill(point: str) -> None:
    victim = subprocess.run([sys.executable, "-c", VICTIM, point], capture_output=True, text=True, check=False)
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    if point in HALF_LOADED:
        with pytest.raises(ImpulsumError, match="cut off half-way"):
            refuse_half_loaded(Home.of(load_settings()), "tempo")


@pytest.mark.parametrize("point", ["worklogs", "load", *HALF_LOADED])
def test_a_killed_sync_is_simply_run_again(sandbox, tmp_path, monkeypatch, point):
    site = sandbox(seed=51, issues=60, now=NOW)
    do = door(site)
    do("shrink_page", limit=15)
    site.control("clock", freeze=True)
    kill(point)
    sync()
    refuse_half_loaded(Home.of(load_settings()), "tempo")
    first = everything()
    assert wrong(site) == {}

    later(site)
    do("bulk_touch", count=30)
    do("log")
    do("delete", worklog=one("select min(id::int) from raw.worklogs"))
    kill(point)
    sync()
    assert wrong(site) == {}
    merged = everything()
    assert merged != first

    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    undisturbed = everything()
    assert {name: [row for row in rows if row in undisturbed[name]] for name, rows in merged.items()} == undisturbed
