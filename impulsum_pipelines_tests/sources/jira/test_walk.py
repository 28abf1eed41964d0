"""The walk over issues: equal times, edits during the walk, late visibility, moves, deletions, hidden projects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines.sources.jira import client
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.jira.support import alive, everything, held, one, sync

NOW = "2026-11-01T12:00:00Z"


def ids_at_source(site: Running) -> set[str]:
    return {str(i) for ids in site.control("ids").values() for i in ids}


def first_key(site: Running) -> str:
    return str(one("select key from raw.issues where not is_subtask order by id::bigint limit 1"))


def test_a_first_sync_stores_everything_and_a_second_changes_nothing(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=24, projects=2, now=NOW)
    first = sync()
    assert alive("issues") == ids_at_source(site)
    assert first.rows["issues"].new == 24
    assert one("select count(*) from raw.changes") > 50
    before = everything()
    site.requests(reset=True)
    second = sync()
    assert everything() == before
    assert {name: (c.new, c.changed, c.deleted) for name, c in second.rows.items()} == dict.fromkeys(
        second.rows, (0, 0, 0)
    )
    assert second.requests == sum(site.requests().values()) <= 10


def test_rows_are_stamped_after_the_stored_ones_even_when_the_clock_steps_back(sandbox: SandboxFactory) -> None:
    """A build reads the rows from the newest extracted_at that it knows on: it would miss rows stamped earlier."""
    site = sandbox(seed=1, issues=40, now=NOW)
    sync()
    newest = one("select max(extracted_at) from raw.issues")
    edited, gone = (key for (key,) in held("select key from raw.issues where not is_subtask order by id limit 2"))
    site.control("clock", advance_seconds=-60)
    site.control("edit_issue", issue=edited, summary="edited a minute earlier")
    site.control("delete_issue", issue=gone)
    result = sync(census=True)
    assert result.rows["issues"].changed >= 1
    assert result.watermark_to < newest  # but the next pull starts where the clock is
    assert one("select extracted_at from raw.issues where summary = 'edited a minute earlier'") >= newest
    assert one("select extracted_at from raw.issues where key = ? and deleted_at is not null", gone) >= newest


def test_the_zone_of_the_profile_hides_nothing(sandbox: SandboxFactory) -> None:
    """UTC-5 and UTC+3: a bound written as local minutes would miss hours of edits."""
    site = sandbox(seed=2, issues=20, projects=2, now=NOW)
    for zone, at in (("America/New_York", "12:30"), ("Asia/Riyadh", "13:01")):
        site.control("time_zone", zone=zone)
        sync()
        key = first_key(site)
        site.control("clock", advance_seconds=1800)
        site.control("edit_issue", issue=key, summary=f"edited {zone}")
        site.control("clock", advance_seconds=60)
        sync()
        [(summary, minute)] = held(
            "select summary, strftime(updated_at, '%Y-%m-%d %H:%M') from raw.issues where key = ?", key
        )
        assert (summary, minute) == (f"edited {zone}", f"2026-11-01 {at}")


def test_80_issues_of_one_minute_across_page_boundaries(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ID_PAGE", 30)
    site = sandbox(seed=3, issues=90, now=NOW)
    sync()
    site.control("clock", now="2026-11-01T13:00:00Z")
    site.control("bulk_touch", count=80)
    result = sync()
    assert result.rows["issues"].changed == 80
    assert one("select max(n) from (select count(*) n from raw.issues group by date_trunc('minute', updated_at))") >= 80


def test_an_issue_edited_during_the_walk_is_neither_lost_nor_stale(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ID_PAGE", 10)
    site = sandbox(seed=4, issues=40, now=NOW)
    original = client.JiraClient.approximate_count

    def edit_in_the_middle(self: Any, jql: str) -> int | None:
        site.control("edit_issue", issue=str(min(map(int, ids_at_source(site)))), summary="edited during the walk")
        return original(self, jql)

    with monkeypatch.context() as patch:
        patch.setattr(client.JiraClient, "approximate_count", edit_in_the_middle)
        sync()
    site.control("clock", advance_seconds=60)
    sync()
    assert alive("issues") == ids_at_source(site)
    assert one("select count(*) from raw.issues where summary = 'edited during the walk'") == 1


def test_an_edit_that_search_shows_late_is_caught_by_the_overlap(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=5, issues=20, projects=2, now=NOW)
    sync()
    key = first_key(site)
    site.control("search_lag", seconds=300)
    site.control("edit_issue", issue=key, summary="visible five minutes late")
    site.control("clock", advance_seconds=120)
    sync()
    assert one("select summary from raw.issues where key = ?", key) != "visible five minutes late"
    site.control("clock", advance_seconds=240)
    sync()
    assert one("select summary from raw.issues where key = ?", key) == "visible five minutes late"


def test_a_moved_issue_keeps_its_row(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=6, issues=24, projects=2, now=NOW)
    sync()
    (issue_id, key, project), *_ = held("select id, key, project_key from raw.issues where not is_subtask order by id")
    other = one("select min(project_key) from raw.issues where project_key <> ?", project)
    site.control("clock", advance_seconds=3600)
    site.control("move_issue", issue=key, project=other)
    sync(census=True)
    new_key, new_project = held("select key, project_key from raw.issues where id = ?", issue_id)[0]
    assert (new_project, new_key != key) == (other, True)
    assert alive("issues") == ids_at_source(site)
    assert one("select count(*) from raw.issues where deleted_at is not null") == 0


def test_a_deleted_issue_is_marked_by_the_census_and_never_dropped(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=7, issues=20, projects=2, now=NOW)
    sync()
    key = first_key(site)
    site.control("clock", advance_seconds=3600)
    site.control("delete_issue", issue=key)
    sync()
    assert one("select deleted_at from raw.issues where key = ?", key) is None
    result = sync(census=True)
    assert one("select deleted_at from raw.issues where key = ?", key) is not None
    assert result.rows["issues"].deleted == 1
    assert alive("issues") == ids_at_source(site)
    assert one("select bool_and(at_source = held) from raw.census where sync_id = ?", result.sync_id)


def test_an_issue_that_the_search_of_a_census_leaves_out_stays(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=7, issues=20, projects=2, now=NOW)
    sync()
    site.control("leave_out_of_search", issue=first_key(site))
    site.control("clock", advance_seconds=3600)
    result = sync(census=True)
    assert alive("issues") == ids_at_source(site)
    assert one("select bool_and(at_source = held) from raw.census where sync_id = ?", result.sync_id)


def test_an_issue_that_moves_to_a_project_that_is_not_read_is_unreachable(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = sandbox(seed=7, issues=20, projects=2, now=NOW)
    monkeypatch.setenv("JIRA_PROJECTS", "ATLAS")
    sync()
    key = first_key(site)
    site.control("move_issue", issue=key, project="BEAM")
    site.control("clock", advance_seconds=3600)
    result = sync(census=True)
    assert held("select deleted_at is null, unreachable_since is null from raw.issues where key = ?", key) == [
        (True, False)
    ]
    assert held("select at_source = held, unreachable from raw.census where sync_id = ?", result.sync_id) == [(True, 1)]


def test_a_hidden_project_is_unreachable_and_comes_back(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=8, issues=24, projects=2, now=NOW)
    sync()
    project = one("select min(project_key) from raw.issues")
    of_project = "select count(*) from raw.issues where project_key = ? and"
    total = one(f"{of_project} true", project)
    site.control("hide_project", project=project)
    site.control("clock", advance_seconds=3600)
    sync(census=True)
    assert one(f"{of_project} unreachable_since is not null and deleted_at is null", project) == total
    site.control("hide_project", project=project, hidden=False)
    site.control("clock", advance_seconds=3600)
    sync(census=True)
    assert one(f"{of_project} unreachable_since is null and deleted_at is null", project) == total
    assert alive("issues") == ids_at_source(site)


def test_losing_more_than_half_of_a_visible_project_is_unreachable_not_deleted(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=9, issues=36, now=NOW)
    sync()
    project, total = held("select project_key, count(*) from raw.issues group by 1 order by 2 desc limit 1")[0]
    for (key,) in held("select key from raw.issues where project_key = ?", project)[: total * 2 // 3 + 1]:
        site.control("delete_issue", issue=key)
    sync(census=True)
    assert one("select count(*) from raw.issues where deleted_at is not null") == 0
    assert one("select count(*) from raw.issues where unreachable_since is not null") >= total * 2 // 3


def test_a_window_reads_its_day_and_does_not_move_the_watermark(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = sandbox(seed=10, issues=24, projects=2, now=NOW)
    sync()
    (day,) = held("select date_trunc('day', max(updated_at)) - interval 7 day from raw.issues")[0]
    (expected,) = held(
        "select count(*) from raw.issues where updated_at >= ? and updated_at < ? + interval 1 day", day, day
    )[0]
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "window only"))
    result = sync(window=Window(day, day + timedelta(days=1)))
    assert result.watermark_to is None
    assert set(result.rows) <= {"issues", "changes", "comments", "links", "worklogs"}
    assert len(alive("issues")) == expected
    assert (
        one("select count(*) from raw.issues where updated_at < ? or updated_at >= ? + interval 1 day", day, day) == 0
    )
    full = sync()
    assert full.watermark_from is None
    assert alive("issues") == ids_at_source(site)


def test_pulled_by_windows_pulled_live_and_pulled_once_give_the_same_rows(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = sandbox(seed=11, issues=30, now=NOW)
    sync()
    key = first_key(site)
    for hour in range(3):
        site.control("clock", advance_seconds=3600)
        site.control("edit_issue", issue=key, summary=f"hour {hour}")
        site.control("add_comment", issue=key, text=f"hour {hour}")
        sync()
    site.control("clock", now="2026-11-02T12:00:00Z")
    sync(census=True)
    live = everything()
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "windows"))
    sync()
    day = datetime(2026, 11, 1, tzinfo=UTC)
    sync(window=Window(day, day + timedelta(days=1)))
    assert everything() == live


def test_a_walk_that_ends_early_loads_what_it_found_and_keeps_the_watermark(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ID_PAGE", 10)
    site = sandbox(seed=12, issues=60, now=NOW)
    for _ in range(2):
        site.control("fault", kind="end_early", path="search/jql", count=1)
    with pytest.raises(ImpulsumError, match="ended early") as failure:
        site.control("fault", kind="end_early", path="search/jql", count=20)
        sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert 0 < len(alive("issues")) < 60
    assert one("select status from raw.syncs") == "incomplete"
    site.control("clear_faults")
    sync()
    assert alive("issues") == ids_at_source(site)


def test_an_empty_page_with_a_token_is_not_the_end(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ID_PAGE", 10)
    site = sandbox(seed=13, issues=40, now=NOW)
    site.control("fault", kind="empty_page", path="search/jql", count=2)
    sync()
    assert alive("issues") == ids_at_source(site)


def test_a_repeated_token_is_an_error_not_a_loop(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ID_PAGE", 10)
    site = sandbox(seed=14, issues=100, now=NOW)
    site.control("fault", kind="repeat_token", path="search/jql", count=20)
    with pytest.raises(ImpulsumError, match="a page repeats"):
        sync()
    site.control("clear_faults")
    sync()
    assert alive("issues") == ids_at_source(site)


@pytest.mark.parametrize(("page", "issues"), [(10, 40), (10, 41), (10, 39), (5000, 20)])
def test_page_sizes_of_every_kind_give_every_id(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, page: int, issues: int
) -> None:
    """An exact multiple, one over, a partial last page, a single page."""
    monkeypatch.setattr(client, "ID_PAGE", page)
    site = sandbox(seed=15, issues=issues, now=NOW)
    walk = client.JiraClient(load_settings()).search_ids("updated >= 0")
    assert set(walk.ids) == ids_at_source(site)
    assert len(walk.ids) == issues
