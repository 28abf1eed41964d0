"""Slack's Events API: messages and all other events of a workspace.

The subject of a message is its thread; a message that begins a thread has its own time stamp as the thread's.
Interactions arrive as a form whose field ``payload`` contains JSON.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.readers import ParsedBody, PulledKind, Reader
from impulsum_pipelines.webhooks.readers.document import Document

FACTS = {
    "bot_name": "the name that a program used to write",
    "channel": "id of the channel",
    "channel_type": "channel, group, im or mpim",
    "is_broadcast": "whether a message notifies everybody: @here, @channel, @everyone",
    "is_private": "whether the conversation is private",
    "is_text_changed": "whether an edit changed the text: links that unfold are edits too",
}

#: Slack does not flag Slackbot as a bot.
_SLACKBOT = "USLACKBOT"
_TIME_STAMP = re.compile(r"\d{1,12}\.\d{1,9}")
_LINK = re.compile(
    r"https://[\w.-]+\.slack\.com/archives/([A-Z0-9]{2,20})/p(\d{10})(\d{6})(?:\?thread_ts=(\d{10}\.\d{6}))?"
)
_BROADCAST = re.compile(r"<!(?:here|channel|everyone)(?:\|[^>]*)?>")
_MARKUP = re.compile(r"<(?:(https?:[^|>]+)|[@#!][^|>]*)(?:\|([^>]*))?>")


def _find_subjects(text: str) -> Iterator[str]:
    for channel, seconds, fraction, thread in _LINK.findall(text):
        yield f"thread:{channel}:{thread or f'{seconds}.{fraction}'}"


def _parse(body: Document, _headers: Mapping[str, str]) -> ParsedBody:
    if body.text("type") == "url_verification":
        raise ValueError("The body is a handshake for a new subscription, not an event")
    event = body.child("event")
    kind = event.text("type") or body.text("type") or "unknown"
    if subtype := event.text("subtype"):
        kind = f"{kind}.{subtype}"
    message = event.child("message") or event
    before, item = event.child("previous_message"), event.child("item")
    # An edit or a deletion has a time stamp of its own, not that of the message.
    about = (event.child("message"), before, item, Document({"ts": event.text("deleted_ts")}), event)
    channel = _channel(event) or item.text("channel") or body.text("channel", "id")
    stamp = _stamp(about, "thread_ts") or _stamp(about, "ts")
    raw = _text(message)
    is_text_changed = raw != _text(before) if event.text("subtype") == "message_changed" else None
    text = _plain(raw) if is_text_changed is not False else None
    is_private = event.text("channel_type") in {"im", "mpim", "group"}
    return ParsedBody(
        type=kind,
        occurred_at=event.timestamp("event_ts") or body.timestamp("event_time"),
        subjects=(channel and stamp and f"thread:{channel}:{stamp}", channel and f"channel:{channel}"),
        title=_title(kind, text, event, is_private=is_private),
        url=_url(body, channel, _stamp(about, "ts")),
        actor=_actor(message) or _actor(event) or body.text("user", "id"),
        facts={
            "bot_name": message.text("bot_profile", "name") or message.text("username"),
            "channel": channel,
            "channel_type": event.text("channel_type"),
            "is_bot": _is_bot(message) or _is_bot(event),
            "is_broadcast": bool(raw and _BROADCAST.search(raw)),
            "is_private": is_private,
            "is_text_changed": is_text_changed,
            "text": text,
        },
        texts=(_plain(raw) or _plain(_text(before)), raw),
    )


def _channel(event: Document) -> str | None:
    return event.text("channel") or event.text("channel", "id") or event.text("channel_id")


def _stamp(messages: Iterable[Document], name: str) -> str | None:
    """The first time stamp of some messages: a number with its fraction, as text."""
    stamps = (message.text(name) or "" for message in messages)
    return next((stamp for stamp in stamps if _TIME_STAMP.fullmatch(stamp)), None)


def _text(message: Document) -> str | None:
    """The text of a message, else that of its attachments, where programs put it."""
    if text := message.text("text"):
        return text
    parts = message.children("attachments")
    attached = (part.text("fallback") or part.text("text") or part.text("title") for part in parts)
    return "\n".join(filter(None, attached)) or None


def _plain(text: str | None) -> str | None:
    """The text as people see it: links by their label, without markup."""
    if not text:
        return None
    return html.unescape(_MARKUP.sub(lambda match: match[2] or match[1] or "", text)).strip() or None


def _is_bot(message: Document) -> bool:
    return bool(
        message.text("bot_id")
        or message.text("bot_profile", "id")
        or message.text("subtype") == "bot_message"
        or message.text("user") == _SLACKBOT
    )


def _actor(event: Document) -> str | None:
    return event.text("user") or event.text("user", "id") or event.text("user_id") or event.text("bot_id")


def _title(kind: str, text: str | None, event: Document, *, is_private: bool) -> str:
    if is_private:
        return "A message in a private conversation"
    happened = kind.replace(".", " ").replace("_", " ")
    return text or " ".join(filter(None, (happened, event.text("channel", "name"))))


def _url(body: Document, channel: str | None, stamp: str | None) -> str | None:
    team = body.text("team_id") or body.text("team", "id")
    if not (team and channel):
        return None
    at = f"&message_ts={stamp}" if stamp else ""
    return f"https://slack.com/app_redirect?team={team}&channel={channel}{at}"


def _channel_of(subjects: Sequence[str]) -> str | None:
    found = (subject.removeprefix("channel:") for subject in subjects if subject.startswith("channel:"))
    return next(found, None)


def _is_young(subject: str, at: datetime, settings: Settings) -> bool:
    """Whether live pulls read the thread. Replies in older threads are found by a census, some threads at a time."""
    began = Document({"ts": subject.rpartition(":")[2]}).timestamp("ts")
    return began is not None and at - began < timedelta(days=settings.slack.thread_days)


READER = Reader(
    parse=_parse,
    facts=FACTS,
    volatile=frozenset(
        {"token", "api_app_id", "event_id", "event_time", "event_context"}
        | {"authorizations", "authed_users", "authed_teams"}
    ),
    find_subjects=_find_subjects,
    pulled_kinds=(
        PulledKind(
            "thread",
            "messages",
            subject="row.channel_id || ':' || coalesce(row.thread_ts, row.ts)",
            name="case when row.is_private then 'a private conversation' else coalesce('#' || channel.name, '') end",
            scope="row.channel_id",
            changed_at="row.posted_at",
            changed_by=frozenset(
                {"message", "message.file_share", "message.me_message", "message.thread_broadcast", "app_mention"}
            ),
            undone_by=frozenset({"message.message_deleted"}),
            joins="left join raw.channels channel on channel.id = row.channel_id",
            scope_of=_channel_of,
            is_pulled=_is_young,
        ),
    ),
)
