"""kill -9 at every stage of a sync; the next run ends in the same state as an undisturbed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.raw import refuse_half_loaded
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.sources.notion.support import differences, everything, later, sync
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.stops import stopped_after
from impulsum_pipelines_tests.sources.victims import HALF_LOADED, kill

#: Where it dies, and how much of a stream it has read by then.
POINTS = {"pages": 5, "load": 0, **dict.fromkeys(HALF_LOADED[:2], 0)}


@pytest.mark.full_load
@pytest.mark.exhaustive
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sync_is_simply_run_again(
    workspace: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    site = workspace(seed=41)
    kill("notion", point, after=POINTS[point])
    sync()
    refuse_half_loaded(Home.of(load_settings()), "notion")
    rerun = everything()
    assert differences(site) == {}
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "undisturbed"))
    sync()
    assert everything() == rerun
    assert not list(Path(tmp_path / "home" / "work").rglob("*.parquet"))


def test_blocks_and_comments_of_a_page_of_a_load_that_was_cut_off_are_read(workspace: Start) -> None:
    """The page was not edited for long: a live pull reads it only because it is not completely stored."""
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


def test_entries_of_a_data_source_of_a_load_that_was_cut_off_are_read(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
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
