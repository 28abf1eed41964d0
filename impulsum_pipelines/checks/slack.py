"""The checks that only Slack needs: is everything stored that Slack counts, and does it fit together.

Slack counts no messages. What it does count: the replies of each thread, and the members of each channel.
"""

from __future__ import annotations

from impulsum_pipelines.checks.builder import NAMED, compare_counts, no_orphans
from impulsum_pipelines.checks.findings import Check, Finding, Raw, table_of
from impulsum_pipelines.sources.base.table import ALIVE, alive

_REPLIES = f"""
    with roots as (
        select channel_id, sum(reply_count) as at_source from raw.messages where {ALIVE} group by channel_id
    ),
    replies as (
        select replies.channel_id, count(*) as stored
        from raw.messages as replies
        inner join raw.messages as roots
            on roots.channel_id = replies.channel_id and roots.ts = replies.thread_ts
        where replies.is_reply and {alive("replies")}
            and {alive("roots")}
        group by 1
    )
    select coalesce(name, channel_id) as scope, coalesce(at_source, 0)::bigint as at_source,
        coalesce(replies.stored, 0) as stored
    from roots
    left join replies using (channel_id)
    left join raw.channels on channels.id = channel_id
    order by 1
"""

_MEMBERS = f"""
    with counted as (select channel_id, count(*) as stored from raw.members where {ALIVE} group by channel_id)
    select coalesce(name, channels.id) as scope, num_members as at_source, coalesce(counted.stored, 0) as stored
    from raw.channels
    left join counted on counted.channel_id = channels.id
    where {ALIVE} and is_member and num_members is not null
    order by 1
"""


def _channels_read(raw: Raw) -> Finding:
    """Slack announces each join in the channel itself, so a channel without any message was not read."""
    channels = raw.rows(
        f"""
        select coalesce(name, id) as channel, type, is_archived,
            (select count(*) from raw.messages where channel_id = channels.id) as messages
        from raw.channels where {ALIVE} and is_member and type in ('public_channel', 'private_channel') order by 1
        """
    )
    empty = [c for c in channels if not c["messages"]]
    if not channels and raw.rows(f"select 1 from raw.channels where {ALIVE} limit 1"):
        return Finding(
            False,
            "The bot is in no channel, so no message is read: invite it to the channels that you want.",
            serious=False,
            numbers={"channels": 0},
        )
    numbers = {"channels that the bot is in": len(channels), "without a message": len(empty)}
    if not empty:
        return Finding(True, f"All {len(channels)} channels that the bot is in have messages.", numbers=numbers)
    named = ", ".join(str(c["channel"]) for c in empty[:NAMED])
    text = (
        f"{len(empty)} of {len(channels)} channels that the bot is in have no message here: {named}. "
        "Run `impulsum sync slack --census`."
    )
    return Finding(False, text, numbers={**numbers, "channels": table_of(empty)})


def _visibility(raw: Raw) -> Finding:
    """Who may see a message follows from its channel: when a channel is made private, so are its messages."""
    wrong = raw.rows(
        f"""
        select coalesce(channels.name, channels.id) as channel, channels.type as channel_is,
            messages.channel_type as messages_say, count(*) as messages
        from raw.messages
        inner join raw.channels on channels.id = messages.channel_id
        where {alive("messages")}
            and {alive("channels")} and channels.is_member
            and messages.channel_type is distinct from channels.type
        group by all order by all
        """
    )
    if not wrong:
        return Finding(True, "Every message is as private as its channel.")
    count = sum(c["messages"] for c in wrong)
    exposed = any(c["channel_is"] != "public_channel" for c in wrong)
    text = (
        f"{count} messages in {len(wrong)} channels say another type of channel than theirs has now. "
        "Run `impulsum sync slack --census`: it reads those channels again."
    )
    return Finding(False, text, serious=exposed, numbers={"messages": count, "channels": table_of(wrong)})


def _page_size(raw: Raw) -> Finding:
    newest = raw.rows(
        "select sync_id, json_extract_string(streams, '$.messages.ended') as ended from raw.syncs "
        "where status <> 'loading' order by started_at desc limit 1"
    )
    ended = str(newest[0]["ended"] or "") if newest else ""
    if "messages a page" not in ended:
        return Finding(True, "Slack gives pages of the size that we ask for.")
    text = (
        "Slack cuts pages to 15 messages, since it treats the app as distributed outside of its marketplace. "
        "Everything is read, but slowly. Install it as an internal app of the workspace."
    )
    return Finding(False, text, serious=False, numbers={"sync": newest[0]["sync_id"], "ended": ended})


_CHANNELS = "select id from raw.channels"
# A reply that was also sent to the channel is listed there, also where its root is older than the first day pulled.
_REPLY_ROOT = (
    "case when is_reply and subtype is distinct from 'thread_broadcast' then channel_id || ':' || thread_ts end"
)

CHECKS = (
    compare_counts(
        "threads_whole",
        "messages",
        "Each channel has as many replies here as the first messages of its threads count.",
        _REPLIES,
        scopes="channels",
        things="replies",
        empty="No message is stored yet.",
    ),
    Check(
        "channels_read",
        "messages",
        "Each channel that the bot is in has messages here. Fails when a channel that it joined was not read. Warns "
        "when it is in no channel at all.",
        _channels_read,
    ),
    Check(
        "visibility",
        "messages",
        "Every message has the type of its channel: public, private or direct. Fails when a message of a private "
        "channel passes for a public one. Warns on any other difference.",
        _visibility,
    ),
    Check(
        "page_size",
        "messages",
        "Slack gives as many messages per page as we ask for. Warns when it cuts them to 15, which makes a pull sixty "
        "times as slow.",
        _page_size,
    ),
    compare_counts(
        "members_whole",
        "members",
        "Each channel that the bot is in has as many members here as Slack counts in it.",
        _MEMBERS,
        scopes="channels",
        things="members",
        empty="The bot is in no channel yet.",
    ),
    no_orphans("messages", "channel_id", parents=_CHANNELS, of="conversations", required=False),
    no_orphans(
        "messages",
        _REPLY_ROOT,
        parents="select id from raw.messages",
        of="threads",
        name="no_rootless_replies",
        rows="replies",
        required=False,
    ),
    no_orphans("members", "channel_id", parents=_CHANNELS, of="conversations", required=False),
)
