"""The checks that know Slack: is everything held that Slack says there is, and does it fit together.

Slack counts no messages. What it does count: the replies of each thread, and the members of each channel.
"""

from __future__ import annotations

from functools import partial

from impulsum_pipelines.checks.findings import Check, Finding, Raw, agreement, table_of
from impulsum_pipelines.sources.base.table import ALIVE


def _threads_whole(raw: Raw) -> Finding:
    channels = raw.rows(
        f"""
        with told as (
            select channel_id, sum(reply_count) as at_source from raw.messages where {ALIVE} group by channel_id
        ),
        held as (
            select replies.channel_id, count(*) as held
            from raw.messages as replies
            inner join raw.messages as roots
                on roots.channel_id = replies.channel_id and roots.ts = replies.thread_ts
            where replies.is_reply and replies.deleted_at is null and replies.unreachable_since is null
                and roots.deleted_at is null and roots.unreachable_since is null
            group by 1
        )
        select coalesce(name, channel_id) as channel, coalesce(at_source, 0)::bigint as at_source,
            coalesce(held.held, 0) as held
        from told
        left join held using (channel_id)
        left join raw.channels on channels.id = channel_id
        order by 1
        """
    )
    wrong = [c for c in channels if not agreement(c["at_source"], c["held"])[0]]
    total = sum(c["at_source"] for c in channels)
    numbers = {"replies counted by the roots": total, "held": sum(c["held"] for c in channels)}
    if not wrong:
        return Finding(True, f"All {total} replies that the roots tell of are held.", numbers=numbers)
    serious = any(agreement(c["at_source"], c["held"])[1] for c in wrong)
    text = f"{len(wrong)} of {len(channels)} channels differ: " + ", ".join(
        f"{c['channel']} has {c['at_source']} replies, held {c['held']}" for c in wrong[:10]
    )
    return Finding(False, text, serious=serious, numbers={**numbers, "channels": table_of(wrong)})


def _members_whole(raw: Raw) -> Finding:
    channels = raw.rows(
        f"""
        with held as (select channel_id, count(*) as held from raw.members where {ALIVE} group by channel_id)
        select coalesce(name, channels.id) as channel, num_members as at_source, coalesce(held.held, 0) as held
        from raw.channels
        left join held on held.channel_id = channels.id
        where {ALIVE} and is_member and num_members is not null
        order by 1
        """
    )
    wrong = [c for c in channels if not agreement(c["at_source"], c["held"])[0]]
    numbers = {"members": sum(c["at_source"] for c in channels), "held": sum(c["held"] for c in channels)}
    if not wrong:
        return Finding(True, f"The members of all {len(channels)} channels are held.", numbers=numbers)
    serious = any(agreement(c["at_source"], c["held"])[1] for c in wrong)
    text = f"{len(wrong)} of {len(channels)} channels differ: " + ", ".join(
        f"{c['channel']} has {c['at_source']} members, held {c['held']}" for c in wrong[:10]
    )
    return Finding(False, text, serious=serious, numbers={**numbers, "channels": table_of(wrong)})


def _channels_read(raw: Raw) -> Finding:
    """Whoever joins a channel is announced in it, so one in which nothing at all is held was not read."""
    channels = raw.rows(
        f"""
        select coalesce(name, id) as channel, type, is_archived,
            (select count(*) from raw.messages where channel_id = channels.id) as messages
        from raw.channels where {ALIVE} and is_member and type in ('public_channel', 'private_channel') order by 1
        """
    )
    empty = [c for c in channels if not c["messages"]]
    if not channels and raw.rows(f"select 1 from raw.channels where {ALIVE} limit 1"):
        return Finding(False, "The bot is in no channel: invite it.", serious=False, numbers={"channels": 0})
    numbers = {"channels that the bot is in": len(channels), "without a message": len(empty)}
    if not empty:
        return Finding(True, f"Messages are held of all {len(channels)} channels that the bot is in.", numbers=numbers)
    text = "Nothing is held of " + ", ".join(str(c["channel"]) for c in empty[:10]) + ", which the bot is in."
    return Finding(False, text, numbers={**numbers, "channels": table_of(empty)})


def _no_orphans(raw: Raw, *, table: str, parent: str, key: str) -> Finding:
    orphans = raw.rows(
        f"select id, {key} as names from raw.{table} where {ALIVE} and {key} is not null "
        f"and {key} not in (select id from raw.{parent}) order by id"
    )
    if not orphans:
        return Finding(True, f"All {table} belong to {parent} that are held.")
    text = f"{len(orphans)} {table} name none of the {parent} that are held."
    return Finding(False, text, numbers={"orphans": len(orphans), "first": table_of(orphans)})


def _visibility(raw: Raw) -> Finding:
    """Who may see a message follows from its channel: one made private must take its messages along."""
    wrong = raw.rows(
        """
        select coalesce(channels.name, channels.id) as channel, channels.type as channel_is,
            messages.channel_type as messages_say, count(*) as messages
        from raw.messages
        inner join raw.channels on channels.id = messages.channel_id
        where messages.deleted_at is null and messages.unreachable_since is null
            and channels.deleted_at is null and channels.unreachable_since is null and channels.is_member
            and messages.channel_type is distinct from channels.type
        group by all order by all
        """
    )
    if not wrong:
        return Finding(True, "Every message is as private as its channel.")
    count = sum(c["messages"] for c in wrong)
    exposed = any(c["channel_is"] != "public_channel" for c in wrong)
    text = f"{count} messages say another type of channel than theirs has, in {len(wrong)} channels."
    return Finding(False, text, serious=exposed, numbers={"messages": count, "channels": table_of(wrong)})


def _page_size(raw: Raw) -> Finding:
    newest = raw.rows(
        "select sync_id, json_extract_string(streams, '$.messages.ended') as ended from raw.syncs "
        "where status <> 'loading' order by started_at desc limit 1"
    )
    ended = str(newest[0]["ended"] or "") if newest else ""
    if "messages a page" not in ended:
        return Finding(True, "Slack gives pages of the size that is asked for.")
    text = "Slack cuts pages to 15 messages: it takes the app for one that is distributed outside of its marketplace. "
    text += "Everything is read, but slowly. Install it as an internal app of the workspace."
    return Finding(False, text, serious=False, numbers={"sync": newest[0]["sync_id"], "ended": ended})


# A reply that was also sent to the channel is listed there, also where its root is older than the first day pulled.
_REPLY_ROOT = (
    "case when is_reply and subtype is distinct from 'thread_broadcast' then channel_id || ':' || thread_ts end"
)

CHECKS = (
    Check(
        "threads_whole",
        "messages",
        "As many replies are held as the roots of the threads count. A few less are replies since the last pull; "
        "more than 5 and 1 % of a channel are lost replies: run a sync with --census.",
        _threads_whole,
    ),
    Check(
        "channels_read",
        "messages",
        "Of each channel that the bot is in messages are held. Fails when a channel that it joined was not read; "
        "warns when it is in none at all.",
        _channels_read,
    ),
    Check(
        "visibility",
        "messages",
        "Every message says of its channel what the channel is: public, private or direct. An error where a message "
        "of a private channel passes for a public one.",
        _visibility,
    ),
    Check(
        "page_size",
        "messages",
        "Slack gives as many messages a page as are asked for. Warns when it cuts them to 15, which makes a pull "
        "sixty times as slow.",
        _page_size,
    ),
    Check(
        "members_whole",
        "members",
        "Each channel that the bot is in has as many members here as Slack counts in it.",
        _members_whole,
    ),
    *(
        Check(
            name,
            table,
            f"All {table} {what}.",
            partial(_no_orphans, table=table, parent=parent, key=key),
        )
        for name, table, what, parent, key in (
            ("no_orphans", "messages", "are of a conversation that is held", "channels", "channel_id"),
            ("no_rootless_replies", "messages", "that are replies have their root held", "messages", _REPLY_ROOT),
            ("no_orphans", "members", "are of a conversation that is held", "channels", "channel_id"),
        )
    ),
)
