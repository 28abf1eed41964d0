"""kill -9 while meetings are read and while they are loaded; the next run ends where an undisturbed one does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

#: A sync that kills itself: at the start of a stage, after some meetings, or between two steps of the load.
VICTIM = """
import os, signal, sys
from impulsum_pipelines.loading import run_load as loading
from impulsum_pipelines.settings import load_settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

point = sys.argv[1]
if point == "first table loaded":
    from dlt.common.storages.load_package import PackageStorage
    complete, done = PackageStorage.complete_job, []
    def counted(self, *args, **kwargs):
        done.append(1)
        result = complete(self, *args, **kwargs)
        if len(done) == 2:
            die()
        return result
    PackageStorage.complete_job = counted
elif point == "rows loaded, books not":
    loading.mark_gone = die

def progress(stage, done, total):
    if stage == point and (stage != "transcripts" or done >= 10):
        die()

loading.run_load("fireflies", load_settings(), progress=progress)
"""


@pytest.mark.parametrize("point", ["transcripts", "load", "first table loaded", "rows loaded, books not"])
def test_a_killed_sync_is_simply_run_again(fireflies, tmp_path, monkeypatch, point):
    site = fireflies(seed=41)
    site.served.control("clock", freeze=True)
    victim = subprocess.run([sys.executable, "-c", VICTIM, point], capture_output=True, text=True, check=False)
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    site.sync()
    assert site.differences() == {}
    rerun = site.pulls.everything()
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    site.sync()
    assert site.pulls.everything() == rerun
