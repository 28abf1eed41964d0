"""kill -9 during the extraction and the load; the next run ends in the same state as an undisturbed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from impulsum_pipelines.sources.base import sync as sync_module
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.slack.support import ATLAS, everything, later, raise_limits, sync, wrong
from impulsum_pipelines_tests.sources.stops import stopped_after
from impulsum_pipelines_tests.sources.victims import HALF_LOADED, kill


@pytest.mark.full_load
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("pull", "point"),
    [
        *(("first", point) for point in ("messages", "load", *HALF_LOADED[:2])),
        ("later", "messages"),
        ("later", HALF_LOADED[0]),
    ],
)
def test_a_killed_sync_is_simply_run_again(
    workspace: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, pull: str
) -> None:
    site = workspace(seed=51)
    site.control("clock", freeze=True)
    root, deleted = (site.control("slack/post", channel=ATLAS)["ts"] for _ in range(2))
    if pull == "later":
        sync()
        later(site)
        for number in range(12):
            site.control("slack/reply", channel=ATLAS, thread=root, broadcast=number == 5)
        site.control("slack/delete", channel=ATLAS, ts=deleted)
        site.control("slack/post", channel="general")
    kill("slack", point, after=3 if point == "messages" else 0, first=raise_limits)
    sync()
    assert wrong(site) == {}
    rerun = everything()
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    undisturbed = everything()
    gone = 1 if pull == "later" else 0
    assert len(rerun["messages"]) - len(undisturbed["messages"]) == gone
    for table, rows in undisturbed.items():
        assert set(map(repr, rows)) <= set(map(repr, rerun[table])), table


def test_replies_whose_root_was_written_by_a_load_that_was_cut_off_are_read(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some messages are written. The stored replies decide whether a thread was read, not its root."""
    monkeypatch.setattr(sync_module, "PIECE_ROWS", 1)
    monkeypatch.setenv("DATA_WRITER__BUFFER_MAX_ITEMS", "1")
    monkeypatch.setenv("DATA_WRITER__FILE_MAX_ITEMS", "1")
    site = workspace(seed=51)
    with stopped_after("messages", files=2):
        sync()
    missing = wrong(site)["messages"]["missing"]
    assert 0 < len(missing) < len(site.control("slack/truth")["messages"])
    sync()
    assert wrong(site) == {}
