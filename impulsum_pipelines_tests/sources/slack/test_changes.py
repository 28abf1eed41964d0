"""What people do to messages and threads between two pulls, one trap at a time."""

from __future__ import annotations

from typing import Any

import pytest

from impulsum_pipelines.sources.slack import client, walk
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.slack.support import (
    ALWAYS_DUE,
    ATLAS,
    DAY,
    asked,
    channel_id,
    held,
    later,
    one,
    readable,
    row,
    sync,
    wrong,
)


def test_ts_is_kept_to_its_last_digit(workspace: Start) -> None:
    site = workspace(seed=1)
    ts = site.control("slack/post", channel="general")["ts"]
    sync()
    assert one("select ts from raw.messages order by ts desc limit 1") == ts
    assert one("select epoch_us(posted_at) from raw.messages where ts = ?", ts) == int(ts.replace(".", ""))


def test_a_late_reply_to_an_old_thread_is_found_by_its_root(workspace: Start) -> None:
    """dlt's and Airbyte's pulls never load it: the root is older than every cursor."""
    site = workspace(seed=2)
    root = site.control("slack/post", channel=ATLAS, text="Ship it?")["ts"]
    later(site, DAY)
    sync()
    for day in range(24):
        later(site, DAY)
        if day == 20:
            reply = site.control("slack/reply", channel=ATLAS, thread=root, text="Yes, three weeks late")["ts"]
            sync()
            assert row(f"{channel_id(site, ATLAS)}:{reply}")["text"] == "Yes, three weeks late"
    site.requests(reset=True)
    sync()
    assert wrong(site) == {}
    assert "conversations.replies" not in asked(site)


def test_only_threads_that_changed_are_read(pulled: Start) -> None:
    site = pulled()
    later(site, 3 * DAY)
    root = site.control("slack/post", channel=ATLAS)["ts"]
    other = site.control("slack/post", channel=ATLAS)["ts"]
    for thread in (root, root, other):
        site.control("slack/reply", channel=ATLAS, thread=thread)
    asked(site)
    sync()
    assert asked(site)["conversations.replies"] == 2
    assert wrong(site) == {}


def test_a_reply_also_sent_to_the_channel_is_one_row_that_stays_as_it_is(pulled: Start) -> None:
    site = pulled()
    root = site.control("slack/post", channel=ATLAS)["ts"]
    site.control("slack/reply", channel=ATLAS, thread=root)
    sent = site.control("slack/reply", channel=ATLAS, thread=root, broadcast=True)["ts"]
    sync()
    assert wrong(site) == {}
    site.control("slack/reply", channel=ATLAS, thread=root)
    changed = sync().rows["messages"]
    assert (changed.new, changed.changed) == (1, 1)  # the reply, and the root, which counts it
    assert row(f"{channel_id(site, ATLAS)}:{sent}")["subtype"] == "thread_broadcast"
    assert one("select count(*) from raw.messages where ts = ?", sent) == 1


def test_a_long_thread_comes_in_pages_that_repeat_the_root(workspace: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 7)
    site = workspace(seed=5)
    root = site.control("slack/post", channel=ATLAS)["ts"]
    for _ in range(23):
        site.control("slack/reply", channel=ATLAS, thread=root)
    sync()
    assert wrong(site) == {}
    assert one("select count(*) from raw.messages where thread_ts = ? and is_reply", root) == 23


def test_edits_reactions_and_deletions_are_found_by_comparing(workspace: Start) -> None:
    site = workspace(seed=6)
    edited, reacted, deleted = (site.control("slack/post", channel=ATLAS)["ts"] for _ in range(3))
    sync()
    later(site, 5 * DAY)
    site.control("slack/edit", channel=ATLAS, ts=edited, text="now better")
    site.control("slack/react", channel=ATLAS, ts=reacted)
    site.control("slack/delete", channel=ATLAS, ts=deleted)
    result = sync().rows["messages"]
    assert (result.new, result.changed, result.deleted) == (0, 2, 1)
    atlas = channel_id(site, ATLAS)
    assert row(f"{atlas}:{edited}")["text"] == "now better"
    assert row(f"{atlas}:{reacted}")["reaction_count"] == 1
    assert row(f"{atlas}:{deleted}")["deleted_at"] is not None
    assert wrong(site) == {}


def test_deleted_replies_are_marked_down_to_the_last_one(workspace: Start) -> None:
    site = workspace(seed=7)
    root = site.control("slack/post", channel=ATLAS)["ts"]
    first, last = (site.control("slack/reply", channel=ATLAS, thread=root)["ts"] for _ in range(2))
    sync()
    for reply in (first, last):
        site.control("slack/delete", channel=ATLAS, ts=reply)
        assert sync().rows["messages"].deleted == 1
        assert wrong(site) == {}


def test_a_reply_replaced_by_another_is_seen_though_the_count_is_the_same(workspace: Start) -> None:
    site = workspace(seed=8)
    root = site.control("slack/post", channel=ATLAS)["ts"]
    reply = site.control("slack/reply", channel=ATLAS, thread=root)["ts"]
    sync()
    site.control("slack/delete", channel=ATLAS, ts=reply)
    site.control("slack/reply", channel=ATLAS, thread=root)
    sync()
    assert wrong(site) == {}


def test_a_deleted_root_with_replies_becomes_a_tombstone_and_goes_with_the_last_reply(workspace: Start) -> None:
    site = workspace(seed=9)
    root = site.control("slack/post", channel=ATLAS, text="regretted")["ts"]
    reply = site.control("slack/reply", channel=ATLAS, thread=root)["ts"]
    sync()
    site.control("slack/delete", channel=ATLAS, ts=root)
    sync()
    found = row(f"{channel_id(site, ATLAS)}:{root}")
    assert (found["subtype"], found["reply_count"], found["deleted_at"]) == ("tombstone", 1, None)
    assert "regretted" not in str(one("select payload from raw.messages where ts = ?", root))
    site.control("slack/delete", channel=ATLAS, ts=reply)
    assert sync().rows["messages"].deleted == 2
    assert wrong(site) == {}


def test_an_edited_reply_is_found_when_reference_data_is_due_though_its_root_says_nothing(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = workspace(seed=10)
    root = site.control("slack/post", channel=ATLAS)["ts"]
    reply = site.control("slack/reply", channel=ATLAS, thread=root)["ts"]
    sync()
    later(site, 1.5 * DAY)
    site.control("slack/edit", channel=ATLAS, ts=reply, text="with fewer typing errors")
    sync()
    assert wrong(site) != {}
    monkeypatch.setenv(*ALWAYS_DUE)
    sync()
    assert wrong(site) == {}


def test_beyond_the_first_page_late_replies_wait_until_reference_data_is_due(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = workspace(seed=11)
    root = site.control("slack/post", channel=ATLAS)["ts"]
    for _ in range(12):
        site.control("slack/post", channel=ATLAS)
    later(site)
    sync()
    later(site, DAY)
    monkeypatch.setattr(client, "PAGE", 10)
    site.control("slack/reply", channel=ATLAS, thread=root)
    asked(site)
    sync()
    assert wrong(site) != {}
    assert asked(site)["conversations.history"] == len(readable(site)) - 1  # not for the archived one
    monkeypatch.setenv(*ALWAYS_DUE)
    sync()
    assert wrong(site) == {}


def test_what_happened_before_the_thread_window_is_found_by_a_census(workspace: Start) -> None:
    site = workspace(seed=12)
    root, edited, deleted = (site.control("slack/post", channel=ATLAS)["ts"] for _ in range(3))
    reply = site.control("slack/reply", channel=ATLAS, thread=root)["ts"]
    later(site)
    sync()
    later(site, 40 * DAY)
    site.control("slack/reply", channel=ATLAS, thread=root)
    site.control("slack/edit", channel=ATLAS, ts=edited)
    site.control("slack/edit", channel=ATLAS, ts=reply)
    site.control("slack/delete", channel=ATLAS, ts=deleted)
    sync()
    assert set(wrong(site)) == {"messages"}
    result = sync(census=True)
    assert wrong(site) == {}
    assert result.rows["messages"].deleted == 1
    counts = (
        "select count(*), bool_and(at_source = held), bool_and(approximate = held) from raw.census where sync_id = ?"
    )
    assert held(counts, result.sync_id) == [(len(readable(site)), True, True)]


def test_what_a_free_plan_hides_is_unreachable_not_deleted(pulled: Start) -> None:
    site = pulled()
    total = one("select count(*) from raw.messages")
    site.control("slack/hide_before", days=20)
    sync(census=True)
    assert one("select count(*) from raw.messages where deleted_at is not null") == 0
    assert one("select count(*) from raw.messages where unreachable_since is not null") > 10
    assert wrong(site) == {}
    site.control("slack/hide_before", days=None)
    sync(census=True)
    assert wrong(site) == {}
    assert one("select count(*) from raw.messages where unreachable_since is null") == total


def test_losing_most_of_a_channel_at_once_is_not_believed(workspace: Start) -> None:
    site = workspace(seed=23)
    posted = [site.control("slack/post", channel="releases")["ts"] for _ in range(150)]
    sync()
    for ts in posted:
        site.control("slack/delete", channel="releases", ts=ts)
    result = sync().rows["messages"]
    assert (result.deleted, result.unreachable) == (0, 150)


@pytest.mark.parametrize("page", [3, *(pytest.param(size, marks=pytest.mark.exhaustive) for size in (1, 15, 999))])
def test_pages_of_every_size_give_every_message(workspace: Start, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(client, "PAGE", page)
    site = workspace(seed=24, issues=30)
    site.control("slack/limits", factor=1000)
    monkeypatch.setattr(client, "RATES", dict.fromkeys(client.RATES, 20_000))
    sync()
    assert wrong(site) == {}


def test_a_limit_that_slack_lowers_silently_is_reported_once_and_changes_nothing(
    workspace: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An earlier test may have changed logging: the migrations of Dagster's storage silence every logger.
    monkeypatch.setattr(client.log, "disabled", False)
    caplog.set_level("WARNING")
    site = workspace(seed=25)
    site.control("slack/clamp_limit")
    root = site.control("slack/post", channel=ATLAS)["ts"]
    for _ in range(40):
        site.control("slack/reply", channel=ATLAS, thread=root)
    result = sync()
    assert wrong(site) == {}
    assert sum("internal app" in record.getMessage() for record in caplog.records) == 1
    assert "15 messages per page" in result.streams["messages"].ended
    later(site, DAY)
    for _ in range(70):
        site.control("slack/post", channel="general")
    sync()
    assert wrong(site) == {}


def test_what_is_written_during_the_pull_is_neither_lost_nor_doubled(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE", 20)
    site = workspace(seed=26)
    original = client.SlackClient.replies

    def write_first(self: client.SlackClient, channel: str, root: str) -> Any:
        site.control("slack/post", channel=channel, text="during the pull")
        site.control("slack/reply", channel=channel, thread=root, text="during the pull", broadcast=True)
        return original(self, channel, root)

    with monkeypatch.context() as patch:
        patch.setattr(client.SlackClient, "replies", write_first)
        sync()
    later(site, 60)
    sync(census=True)
    assert wrong(site) == {}
    assert one("select count(*) - count(distinct id) from raw.messages") == 0


def test_a_thread_with_fewer_replies_than_it_counts_loses_nothing_and_is_not_read_each_time(workspace: Start) -> None:
    site = workspace(seed=27)
    root = site.control("slack/post", channel=ATLAS)["ts"]
    for _ in range(5):
        site.control("slack/reply", channel=ATLAS, thread=root)
    sync()
    site.control("slack/reply", channel=ATLAS, thread=root)
    refused = {"kind": "status", "status": 200, "body": '{"ok": false, "error": "thread_not_found"}'}
    site.control("fault", path="conversations.replies", **refused)
    asked(site)
    assert sync().rows["messages"].deleted == 0
    sync()
    assert wrong(site) == {}
    sync()
    assert asked(site)["conversations.replies"] == 2


def test_a_census_reads_old_threads_in_turns(workspace: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace of years has more threads than a night has minutes: each census reads a share of the old ones."""
    site = workspace(seed=28)
    later(site, 90 * DAY)
    sync()
    monkeypatch.setattr(walk, "OLD_THREADS_PER_CENSUS", 4)
    threads = sum(len(site.control("slack/threads", channel=name)) for name in readable(site))
    asked(site)
    read = []
    for _ in range(3):
        result = sync(census=True)
        read.append(asked(site).get("conversations.replies", 0))
        assert one("select bool_and(at_source = held) from raw.census where sync_id = ?", result.sync_id)
        later(site, DAY)
    assert max(read) < threads <= sum(read)
