"""kill -9 while meetings are read and while they are loaded; the next run ends where an undisturbed one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from impulsum_pipelines_tests.sources.fireflies.conftest import StartFireflies
from impulsum_pipelines_tests.sources.victims import HALF_LOADED, kill


@pytest.mark.full_load
@pytest.mark.exhaustive
@pytest.mark.parametrize("point", ["transcripts", "load", *HALF_LOADED[:2]])
def test_a_killed_sync_is_simply_run_again(
    fireflies: StartFireflies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    site = fireflies(seed=41)
    site.served.control("clock", freeze=True)
    kill("fireflies", point, after=10 if point == "transcripts" else 0)
    site.sync()
    assert site.differences() == {}
    rerun = site.pulls.everything()
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    site.sync()
    assert site.pulls.everything() == rerun
