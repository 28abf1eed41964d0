"""Channels that become visible, disappear or change, and their members."""

from __future__ import annotations

import pytest

from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.slack.support import (
    ALWAYS_DUE,
    ATLAS,
    DAY,
    asked,
    channel_id,
    later,
    one,
    readable,
    sync,
    wrong,
)


def messages_in(channel: str, *conditions: str) -> int:
    """How many messages of a channel are stored."""
    return int(one(" and ".join(["select count(*) from raw.messages where channel_id = ?", *conditions]), channel))


def test_a_channel_that_the_bot_joins_gets_its_whole_past(pulled: Start) -> None:
    """dlt's Slack source starts a channel that is added later at the shared cursor."""
    site = pulled()
    assert one("select is_member from raw.channels where name = 'design'") is False
    later(site, 3 * DAY)
    root = site.control("slack/post", channel="design")["ts"]
    site.control("slack/reply", channel="design", thread=root)
    sync()
    assert messages_in(channel_id(site, "design")) == 0
    later(site, 60 * DAY)
    site.control("slack/join", channel="design")
    sync()
    assert messages_in(channel_id(site, "design")) == 7
    assert wrong(site) == {}


def test_a_channel_that_the_bot_leaves_is_unreachable_and_comes_back_complete(pulled: Start) -> None:
    site = pulled()
    random = channel_id(site, "random")
    total = messages_in(random)
    site.control("slack/leave", channel="random")
    result = sync()
    assert (result.rows["messages"].deleted, result.rows["messages"].unreachable) == (0, total)
    assert wrong(site) == {}
    later(site, 45 * DAY)
    site.control("slack/post", channel="random")
    site.control("slack/join", channel="random")
    sync()
    assert wrong(site) == {}
    assert one("select count(*) from raw.messages where unreachable_since is not null") == 0


def test_a_private_channel_that_the_bot_leaves_vanishes_from_the_list(pulled: Start) -> None:
    site = pulled()
    site.control("slack/leave", channel="incidents")
    sync()
    assert one("select unreachable_since is not null and deleted_at is null from raw.channels where name = 'incidents'")
    assert wrong(site) == {}


def test_a_renamed_channel_keeps_its_rows(pulled: Start) -> None:
    site = pulled()
    site.control("slack/rename_channel", channel="random", name="off-topic")
    result = sync()
    assert wrong(site) == {}
    assert result.rows["messages"].new == 1  # the notice
    assert one("select count(*) from raw.channels where name in ('random', 'off-topic')") == 1


def test_a_channel_made_private_takes_its_messages_along(pulled: Start) -> None:
    site = pulled()
    later(site, 60 * DAY)
    site.control("slack/set_private", channel=ATLAS)
    sync()
    assert wrong(site) == {}
    atlas = channel_id(site, ATLAS)
    assert one("select bool_and(is_private) from raw.messages where channel_id = ?", atlas)
    asked(site)
    sync()
    assert asked(site)["conversations.history"] == len(readable(site)) - 1  # not for the archived one


def test_an_archived_channel_is_read_to_its_end_and_then_left_alone(pulled: Start) -> None:
    site = pulled()
    site.control("slack/post", channel="random", text="last words")
    site.control("slack/archive", channel="random")
    asked(site)
    sync()
    assert wrong(site) == {}
    before = asked(site)["conversations.history"]
    sync()
    assert asked(site)["conversations.history"] == before - 1
    site.control("slack/archive", channel="random", archived=False)
    site.control("slack/post", channel="random", text="we are back")
    sync()
    assert wrong(site) == {}


def test_archiving_that_removes_the_bot_loses_no_stored_message(pulled: Start) -> None:
    site = pulled()
    random = channel_id(site, "random")
    total = messages_in(random)
    site.control("slack/archive", channel="random", removes_bot=True)
    sync()
    sync(census=True)
    assert messages_in(random, "deleted_at is null", "unreachable_since is null") == total


def test_members_follow_the_count_that_slack_gives(pulled: Start) -> None:
    site = pulled()
    site.control("slack/add_user", name="new-colleague", channels=["general", "random"])
    leaver = one("select min(user_id) from raw.members where user_id like 'U0000000%' and user_id <> 'U00000BOT'")
    site.control("slack/leave", channel="releases", user=leaver)
    asked(site)
    sync()
    assert asked(site)["conversations.members"] == 3
    assert {table for table in wrong(site) if table != "users"} == set()


def test_people_come_and_go_and_what_they_wrote_stays(pulled: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    site = pulled()
    monkeypatch.setenv(*ALWAYS_DUE)
    site.control("slack/add_user", name="new-colleague")
    site.control("slack/deactivate_user", user="guest")
    site.control("slack/deactivate_user", user="former-colleague", active=True)
    sync()
    assert wrong(site) == {}
