"""Which kinds of change a live pull, a window and a census find."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines_tests.sources.notion.support import (
    NOW,
    alive,
    asked,
    differences,
    everything,
    held,
    later,
    one,
    page_of,
    source_named,
    sync,
)
from impulsum_pipelines_tests.sources.sites import Start


def state(table: str, row_id: str) -> tuple[bool, bool]:
    """Whether a row is marked deleted, and whether unreachable."""
    return held(f"select deleted_at is not null, unreachable_since is not null from raw.{table} where id = ?", row_id)[
        0
    ]


def test_ten_changes_cost_a_few_requests_each(pulled: Start) -> None:
    site = pulled()
    asked(site)
    for number in range(5):
        site.control("notion/edit_page", page=page_of("Specs", number % 5), title=f"Edited {number}")
    for number in range(3):
        site.control("notion/create_page", parent=source_named("Decisions"), title=f"New {number}", lines=["text"])
    site.control("notion/append_blocks", parent=page_of("Runbooks"), count=3)
    site.control("notion/create_page", parent=one("select id from raw.pages where title = 'Team home'"), title="Tips")
    asked(site)
    result = sync()
    assert differences(site) == {}
    assert result.rows["pages"].new == 4
    assert result.requests == asked(site) <= 50


def test_two_edits_within_one_minute_are_both_stored(pulled: Start) -> None:
    """Times are cut to the minute, so both edits have the same time."""
    site = pulled()
    page = page_of("Specs")
    site.control("notion/edit_page", page=page, title="first edit")
    sync()
    assert one("select title from raw.pages where id = ?", page) == "first edit"
    before = one("select updated_at from raw.pages where id = ?", page)
    later(site, 0.2)
    site.control("notion/edit_page", page=page, title="second edit, same minute")
    later(site, 3)
    sync()
    assert one("select title from raw.pages where id = ?", page) == "second edit, same minute"
    assert one("select updated_at from raw.pages where id = ?", page) == before


def test_more_blocks_than_a_page_of_the_list_and_deep_ones(pulled: Start) -> None:
    site = pulled()
    page = page_of("Runbooks")
    site.control("notion/append_blocks", parent=page, count=230)
    site.control("notion/append_blocks", parent=page, text="Deep", depth=12)
    sync()
    assert differences(site) == {}
    assert one("select max(depth) from raw.blocks where page_id = ?", page) == 11
    positions = held("select position from raw.blocks where page_id = ? and depth = 0 order by position", page)
    assert [position for (position,) in positions] == list(range(len(positions)))
    assert len(positions) > 200


def test_a_block_put_first_moves_all_others(pulled: Start) -> None:
    """The documents of the others stay the same, their rows do not."""
    site = pulled()
    page = page_of("Specs")
    site.control("notion/append_blocks", parent=page, text="First", first=True)
    sync()
    assert differences(site) == {}


def test_deleted_blocks_go_with_their_children_when_the_page_is_read_again(pulled: Start) -> None:
    site = pulled()
    page = page_of("Specs")
    toggle = one("select id from raw.blocks where page_id = ? and has_children", page)
    site.control("notion/delete_block", block=toggle)
    result = sync()
    assert result.rows["blocks"].deleted == 4
    assert state("blocks", toggle) == (True, False)
    assert differences(site) == {}


def test_the_census_finds_what_no_edit_time_shows(pulled: Start) -> None:
    site = pulled()
    page = page_of("Specs")
    nested = one("select id from raw.blocks where page_id = ? and depth = 1 limit 1", page)
    site.control("notion/comment", page=page, text="said later")
    site.control("notion/edit_block", block=nested, text="edited deep below")
    site.control("notion/move_page", page=page_of("Specs", 1), target=source_named("Decisions"))
    sync()
    assert set(differences(site)) == {"blocks", "comments", "pages"}, "nothing at the source shows these changes"
    sync(census=True)
    assert differences(site) == {}
    assert one("select bool_and(at_source = held) from raw.census")


def test_a_resolved_comment_is_unreachable_and_a_deleted_one_deleted(pulled: Start) -> None:
    site = pulled()
    resolved, deleted, *_ = [row_id for (row_id,) in held("select id from raw.comments order by id")]
    site.control("notion/resolve_comment", comment=resolved)
    site.control("notion/delete_comment", comment=deleted)
    sync(census=True)
    assert state("comments", resolved) == (False, True)
    assert state("comments", deleted) == (True, False)
    assert differences(site) == {}


def test_a_comment_on_a_block_is_not_the_pages(pulled: Start) -> None:
    site = pulled()
    page = page_of("Specs")
    block = one("select min(id) from raw.blocks where page_id = ?", page)
    made = site.control("notion/comment", page=page, block=block)["id"]
    sync(census=True)
    assert made not in alive("comments")
    assert differences(site) == {}


def test_a_trashed_page_is_deleted_with_all_that_was_on_it_and_comes_back(pulled: Start) -> None:
    site = pulled()
    page = page_of("Specs")
    site.control("notion/trash_page", page=page)
    sync()
    assert state("pages", page) == (False, False), "a trashed page only vanishes from queries"
    sync(census=True)
    assert state("pages", page) == (True, False)
    assert one("select count(*) from raw.blocks where page_id = ? and deleted_at is null", page) == 0
    assert differences(site) == {}
    site.control("notion/restore_page", page=page)
    later(site)
    sync(census=True)
    assert state("pages", page) == (False, False)
    assert differences(site) == {}


def test_a_page_that_is_unshared_is_unreachable_and_comes_back(pulled: Start) -> None:
    site = pulled()
    page = page_of("Specs")
    site.control("notion/unshare", thing=page)
    sync(census=True)
    assert state("pages", page) == (False, True)
    assert one("select bool_and(unreachable_since is not null) from raw.blocks where page_id = ?", page)
    assert differences(site) == {}
    site.control("notion/share", thing=page)
    later(site)
    sync(census=True)
    assert differences(site) == {}


def test_a_data_source_that_is_unshared_takes_its_pages_along_and_brings_them_back(pulled: Start) -> None:
    site = pulled()
    source = source_named("Specs")
    pages = {row_id for (row_id,) in held("select id from raw.pages where data_source_id = ?", source)}
    site.control("notion/unshare", thing=source)
    result = sync()
    assert state("data_sources", source) == (False, True)
    assert result.rows["pages"].unreachable == len(pages) > 1
    assert one("select count(*) from raw.pages where deleted_at is not null") == 0
    assert differences(site) == {}
    site.control("notion/share", thing=source)
    later(site, 90)
    sync()
    assert pages <= alive("pages"), "its pages are old, and were read again all the same"
    assert differences(site) == {}


def test_a_trashed_database_is_deleted_with_its_pages(pulled: Start) -> None:
    site = pulled()
    source = source_named("Specs")
    site.control("notion/trash_page", page=one("select database_id from raw.data_sources where id = ?", source))
    sync()
    assert state("data_sources", source) == (True, False)
    assert not alive("pages") & {i for (i,) in held("select id from raw.pages where data_source_id = ?", source)}
    assert differences(site) == {}


def test_a_page_moved_under_another_keeps_its_row(pulled: Start) -> None:
    site = pulled()
    page = page_of("Specs")
    home = one("select id from raw.pages where title = 'Team home'")
    site.control("notion/move_page", page=page, target=home)
    sync()
    sync(census=True)
    assert held("select parent_type, parent_id, data_source_id from raw.pages where id = ?", page) == [
        ("page_id", home, None)
    ]
    assert one("select count(*) from raw.pages where deleted_at is not null") == 0
    assert differences(site) == {}


def test_a_database_made_later_is_read_completely_though_search_does_not_find_it(pulled: Start) -> None:
    """The block that stands for it leads to it: search never finds it."""
    site = pulled()
    home = one("select id from raw.pages where title = 'Team home'")
    made = site.control("notion/create_database", page=home, title="Risks")
    site.control("notion/unindex", thing=made["data_source"])
    page = site.control("notion/create_page", parent=made["data_source"], title="A risk", lines=["one"])["id"]
    site.control("notion/unindex", thing=page)
    sync()
    assert page in alive("pages")
    assert differences(site) == {}


def test_search_is_only_a_hint(workspace: Start) -> None:
    """It never finds half of the workspace, and the other half late."""
    site = workspace(seed=3)
    truth = site.control("notion/truth")
    for thing in [*list(truth["pages"])[1:], *list(truth["data_sources"])]:
        site.control("notion/unindex", thing=thing)
    sync()
    assert differences(site) == {}
    later(site)
    site.control("notion/search_lag", seconds=600)
    under = one("select id from raw.pages where title = 'Onboarding'")
    below = site.control("notion/create_page", parent=under, title="Below", lines=["text"])["id"]
    sync()
    assert below in alive("pages")
    assert differences(site) == {}


def test_pages_under_pages_are_followed_to_any_depth_and_their_edits_seen(pulled: Start) -> None:
    site = pulled()
    above = page_of("Specs")
    chain = []
    for number in range(4):
        above = site.control("notion/create_page", parent=above, title=f"Level {number}", lines=["text"])["id"]
        chain.append(above)
    sync()
    assert differences(site) == {}
    later(site)
    sync()
    site.control("notion/search_lag", seconds=864_000)
    for page in chain:
        site.control("notion/unindex", thing=page)
    site.control("notion/edit_page", page=chain[-1], title="Edited at the bottom")
    sync()
    assert one("select title from raw.pages where id = ?", chain[-1]) == "Edited at the bottom"
    assert differences(site) == {}
    site.control("notion/trash_page", page=chain[-1])
    later(site)
    sync()
    assert state("pages", chain[-1]) == (True, False), "the list of blocks above it no longer has it"
    assert differences(site) == {}


def test_a_synced_copy_does_not_take_the_blocks_of_its_original(pulled: Start) -> None:
    site = pulled()
    first, second = page_of("Specs"), page_of("Decisions")
    original = site.control("notion/append_blocks", parent=first, kind="synced_block", depth=2)["ids"]
    site.control("notion/append_blocks", parent=second, kind="synced_block", synced_from=original[0])
    sync()
    sync(census=True)
    assert one("select page_id from raw.blocks where id = ?", original[1]) == first
    assert differences(site) == {}


def test_long_properties_are_read_completely(pulled: Start) -> None:
    site = pulled()
    page = page_of("Specs")
    related = [f"00000000-0000-4000-8000-{number:012}" for number in range(30)]
    people = sorted(alive("users"))[:1] * 25
    words = [f"word {number} " for number in range(130)]
    site.control(
        "notion/edit_page",
        page=page,
        properties={"Related": ("relation", related), "Reviewers": ("people", people), "Ticket": ("rich_text", words)},
    )
    sync()
    properties = held("select properties->'$.Related', properties->>'$.Ticket' from raw.pages where id = ?", page)
    assert properties == [(str(related).replace("'", '"').replace(", ", ","), "".join(words))]
    assert one("select payload->>'$.properties.Related.has_more' from raw.pages where id = ?", page) == "false"


def test_a_query_that_is_cut_at_its_cap_continues_by_creation_time(pulled: Start) -> None:
    site = pulled()
    source = source_named("Runbooks")
    for number in range(25):
        site.control("notion/create_page", parent=source, title=f"Page {number}")
        later(site, 2)
    site.control("notion/cap", results=7)
    later(site)
    sync(census=True)
    assert differences(site) == {}
    assert one("select at_source from raw.census where scope_id = ? order by taken_at desc limit 1", source) >= 27


def test_more_pages_of_one_minute_than_a_query_gives_is_an_error(pulled: Start) -> None:
    site = pulled()
    source = source_named("Runbooks")
    for number in range(12):
        site.control("notion/create_page", parent=source, title=f"Imported {number}")
    site.control("notion/cap", results=5)
    watermark = one("select max(watermark_to) from raw.syncs")
    with pytest.raises(ImpulsumError, match="than one query gives") as failure:
        sync()
    assert failure.value.category is Category.BAD_DATA
    assert one("select max(watermark_to) from raw.syncs") == watermark
    assert one("select status from raw.syncs order by started_at desc limit 1") == "incomplete"
    site.control("notion/cap")
    sync()
    assert differences(site) == {}


def test_signed_addresses_of_files_do_not_make_rows_change(pulled: Start) -> None:
    site = pulled()
    files = "select count(*) from raw.pages where payload::varchar like '%X-Amz-Signature%'"
    assert one(files) + one(files.replace("pages", "blocks")) > 0, "the payload keeps the address"
    before = everything()
    result = sync(census=True)
    assert result.rows["pages"].changed == result.rows["blocks"].changed == 0
    assert everything() == before
    assert differences(site) == {}


def test_windows_read_their_days_and_leave_the_watermark_alone(
    pulled: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pulled()
    whole = alive("pages")
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "windows"))
    end = datetime.fromisoformat(NOW).replace(hour=0) + timedelta(days=1)
    day = end - timedelta(days=1)
    result = sync(window=Window(day, end))
    assert result.watermark_to is None
    assert set(result.rows) <= {"pages", "blocks", "comments"}
    assert one("select count(*) from raw.pages where updated_at < ?", day) == 0
    sync(window=Window(end - timedelta(days=600), day))
    assert alive("pages") == whole
    assert one("select count(*) from raw.syncs where watermark_to is not null") == 0
