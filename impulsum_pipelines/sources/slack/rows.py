"""Turns Slack's documents into rows: the typed columns of :mod:`tables`, with the whole document beside them.

Every function is pure. Unknown fields stay in the payload. A missing field is null. A value of the wrong type is null
in its column and unchanged in the payload.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from impulsum_pipelines.sources.base.values import as_datetime, as_int, as_text, text_field
from impulsum_pipelines.sources.slack.client import Document

Row = dict[str, Any]

#: Slackbot, which Slack does not flag as a bot.
SLACKBOT = "USLACKBOT"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_ts(ts: object) -> datetime | None:
    """The time of a ts such as 1724936460.123456, exact to the microsecond; None if it is no ts."""
    seconds, _, micros = str(ts).partition(".")  # a float would lose the last digit
    try:
        return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(f"{micros:0<6}"[:6]))
    except (ValueError, OverflowError):
        return None


def to_ts(at: datetime) -> str:
    """A time as a ts, to compare with others: all have ten and six digits, so they sort as text like as times."""
    micros = (at - _EPOCH) // timedelta(microseconds=1)
    return f"{max(micros, 0) // 1_000_000:010d}.{max(micros, 0) % 1_000_000:06d}"


def type_of(channel: Document) -> str:
    """The kind of a conversation, as the parameter ``types`` of conversations.list names it."""
    if channel.get("is_im"):
        return "im"
    if channel.get("is_mpim"):
        return "mpim"
    return "private_channel" if channel.get("is_private") or channel.get("is_group") else "public_channel"


def channel(document: Document) -> Row:
    """One conversation."""
    kind = type_of(document)
    return {
        "id": str(document["id"]),
        "name": as_text(document.get("name")) if kind != "im" else None,
        "type": kind,
        "is_private": kind != "public_channel",
        "is_archived": bool(document.get("is_archived")),
        "is_member": is_member(document),
        "is_general": bool(document.get("is_general")),
        "is_shared": bool(document.get("is_ext_shared") or document.get("is_shared")),
        "num_members": as_int(document.get("num_members")) if kind != "im" else None,
        "creator_id": as_text(document.get("creator")),
        "user_id": as_text(document.get("user")) if kind == "im" else None,
        "topic": text_field(document.get("topic"), "value"),
        "purpose": text_field(document.get("purpose"), "value"),
        "created_at": as_datetime(document.get("created")),
        "payload": document,
    }


def is_member(document: Document) -> bool:
    """Whether the bot is in it. A direct message does not say so: Slack lists it only to its members."""
    return bool(document.get("is_member", document.get("is_im") or document.get("is_mpim")))


def member(channel_id: str, user_id: str) -> Row:
    """One account in one conversation."""
    return {
        "id": f"{channel_id}:{user_id}",
        "channel_id": channel_id,
        "user_id": user_id,
        "payload": {"channel": channel_id, "user": user_id},
    }


def user(document: Document) -> Row:
    """One account."""
    profile = document.get("profile")
    return {
        "id": str(document["id"]),
        "name": as_text(document.get("name")),
        "real_name": as_text(document.get("real_name")) or text_field(profile, "real_name"),
        "display_name": text_field(profile, "display_name") or None,
        "email": text_field(profile, "email"),
        "title": text_field(profile, "title") or None,
        "is_active": not document.get("deleted"),
        "is_bot": bool(document.get("is_bot")) or document["id"] == SLACKBOT,
        "is_guest": bool(document.get("is_restricted") or document.get("is_ultra_restricted")),
        "is_admin": bool(document.get("is_admin")),
        "time_zone": as_text(document.get("tz")),
        "updated_at": as_datetime(document.get("updated")),
        "payload": document,
    }


def message(channel_id: str, kind: str, document: Document) -> Row:
    """One message.

    The payload also has the channel and its type, under the names that Slack's events use: so a channel that becomes
    private changes its messages too. The payload leaves out ``root``, the copy of a thread's root in a reply that was
    also sent to the channel: the root has its own row, and its next reply would make the copy stale.
    """
    ts = str(document["ts"])
    root = as_text(document.get("thread_ts"))
    edited = document.get("edited")
    reactions = document.get("reactions")
    files = document.get("files")
    return {
        "id": f"{channel_id}:{ts}",
        "channel_id": channel_id,
        "ts": ts,
        "thread_ts": root,
        "is_reply": root is not None and root != ts,
        "user_id": as_text(document.get("user")),
        "bot_id": as_text(document.get("bot_id")),
        "subtype": as_text(document.get("subtype")),
        "text": as_text(document.get("text")),
        "channel_type": kind,
        "is_private": kind != "public_channel",
        "reply_count": as_int(document.get("reply_count")) or None,
        "latest_reply": as_text(document.get("latest_reply")),
        "reaction_count": sum(as_int(r.get("count")) or 0 for r in reactions) if isinstance(reactions, list) else 0,
        "file_count": len(files) if isinstance(files, list) else 0,
        "posted_at": from_ts(ts),
        "edited_at": from_ts(edited.get("ts")) if isinstance(edited, dict) else None,
        "payload": {
            **{name: value for name, value in document.items() if name != "root"},
            "channel": channel_id,
            "channel_type": kind,
        },
    }
