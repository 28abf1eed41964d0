"""The dlt source of Slack: one resource per table, its client, and the first read of a sync.

Only this module of the source imports dlt, so listing the tables does not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import dlt

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.hints import hints
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.base.table import Table
from impulsum_pipelines.sources.slack import rows
from impulsum_pipelines.sources.slack import tables as t
from impulsum_pipelines.sources.slack.client import SlackClient
from impulsum_pipelines.sources.slack.refusals import NOT_READABLE, SlackError
from impulsum_pipelines.sources.slack.site import SlackSite
from impulsum_pipelines.sources.slack.walk import ChannelWalk

log = logging.getLogger(__name__)

#: After so many channels that Slack could not answer for, it is an outage: the next pull reads the other channels.
MOST_DOWN = 3


def open_client(settings: Settings) -> SlackClient:
    """A client for the workspace of the token."""
    return SlackClient(settings)


def begin(client: SlackClient, sync: Sync, settings: Settings) -> SlackSite:
    """Make the first read of a sync: check the token, and read Slack's clock before any message."""
    site = SlackSite(client, sync, settings)
    sync.site = site.host
    return site


@dlt.source(name="slack", max_table_nesting=0)
def build_source(client: SlackClient, sync: Sync, site: SlackSite) -> Any:
    """The dlt source of one sync: one resource per table."""

    @dlt.resource(**hints(t.CHANNELS, sync.stored))
    def channels() -> Iterator[Any]:
        parsed = sync.parse(t.CHANNELS, rows.channel, site.channels)
        yield from sync.replace_table(t.CHANNELS, parsed, unreachable=True)

    @dlt.resource(**hints(t.MEMBERS, sync.stored))
    def members() -> Iterator[Any]:
        yield from _members(client, sync, site)

    @dlt.resource(**hints(t.USERS, sync.stored))
    def users() -> Iterator[Any]:
        if sync.due(t.USERS):
            yield from sync.replace_table(t.USERS, sync.parse(t.USERS, rows.user, client.users()))

    @dlt.resource(**hints(t.MESSAGES, sync.stored))
    def messages() -> Iterator[Any]:
        yield from _messages(client, sync, site)

    return channels, users, members, messages


def _members(client: SlackClient, sync: Sync, site: SlackSite) -> Iterator[Any]:
    """Members of each readable channel, read again when Slack's count of them changes, and when due."""
    known: dict[str, int | None] = sync.memory.setdefault("members", {})
    due = sync.due(t.MEMBERS)
    for channel in site.readable:
        channel_id, count = str(channel["id"]), channel.get("num_members")
        if not due and channel_id in known and known[channel_id] == count:
            continue
        try:
            found = client.members(channel_id)
        except SlackError as error:
            if error.code not in NOT_READABLE:
                if error.retryable:
                    raise
                _ended_early(sync, t.MEMBERS, channel_id, error)
            continue
        parsed = list(sync.parse(t.MEMBERS, partial(rows.member, channel_id), found))
        yield from sync.changed_rows(t.MEMBERS, parsed, more=True)
        ids = {row["id"] for row in parsed}
        # Fewer members than Slack counts may be a list cut short; as many as it counts prove that the others left.
        sync.found_all(Scan(t.MEMBERS.name, ids, ("channel_id",), [channel_id], guarded=len(found) != count))
        known[channel_id] = count
    yield from sync.changed_rows(t.MEMBERS, [])
    sync.found_all(Scan(t.MEMBERS.name, (), ("channel_id",), site.out_of_sight, unreachable=True))
    for channel_id in site.out_of_sight & known.keys():
        del known[channel_id]
    sync.stream(t.MEMBERS.name).conclude()


def _messages(client: SlackClient, sync: Sync, site: SlackSite) -> Iterator[Any]:
    """Messages, channel by channel. When one cannot be read to its end, the others are still loaded."""
    if sync.window is None:
        sync.due(t.MESSAGES)  # called in any case: this records when the thread windows were last listed completely
    for number, channel in enumerate(site.readable):
        walk = ChannelWalk(client, site, sync, channel)
        sync.report(t.MESSAGES.name, number, len(site.readable))
        if walk.is_settled:
            continue
        try:
            for documents in walk.read():
                to_row = partial(rows.message, walk.id, walk.kind)
                yield from sync.changed_rows(t.MESSAGES, sync.parse(t.MESSAGES, to_row, documents), more=True)
        except ImpulsumError as error:
            if isinstance(error, SlackError) and error.code in NOT_READABLE:
                # The bot was removed from it after the channels were listed.
                log.warning("Channel %s can no longer be read (%s)", walk.name, error.code)
            elif _ended_early(sync, t.MESSAGES, walk.id, error):
                break
    yield from sync.changed_rows(t.MESSAGES, [])
    sync.report(t.MESSAGES.name, len(site.readable), len(site.readable))
    if sync.window is None:
        _mark_unreachable(sync, site)
    sync.stream(t.MESSAGES.name).conclude(client.clamped)


def _ended_early(sync: Sync, table: Table, channel_id: str, error: ImpulsumError) -> bool:
    """Record that a channel was not read to its end; the sync raises the error after it has read the other channels.

    Returns:
        True when the other channels would fail too, so that reading stops.

    Raises:
        ImpulsumError: the same error, when the token is refused.
    """
    if error.category is Category.AUTHENTICATION:
        raise error
    sync.stream(table.name).ended = f"early: {error.what}"
    error.where = f"{error.where} of channel {channel_id}"
    error.safe = "The other channels that were read are loaded and need not start over; the watermark was not moved."
    sync.fail(error)
    is_outage = error.retryable and len(sync.failures) >= MOST_DOWN
    return is_outage or error.category in (Category.RATE_LIMIT, Category.NETWORK)


def _mark_unreachable(sync: Sync, site: SlackSite) -> None:
    """Mark messages that can no longer be read as unreachable. When the bot is back, all their past is read again."""
    sync.found_all(Scan(t.MESSAGES.name, (), ("channel_id",), site.out_of_sight, unreachable=True))
    for channel_id in site.out_of_sight & sync.memory.get("channels", {}).keys():
        del sync.memory["channels"][channel_id]
