"""A Slack workspace that people use: its people, channels and messages, and every edit that they can make.

Messages are stored as the documents that the Web API gives, by channel and ``ts``. What a root says about its thread
is computed when it is shown. Times are given as epoch milliseconds.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from impulsum_pipelines.sandbox.clock import Clock

Document = dict[str, Any]
Kind = Literal["public_channel", "private_channel", "mpim", "im"]

TEAM_ID = "T00SANDBOX"
#: The bot that the token belongs to: its user, its bot id, its app.
BOT_USER, BOT_ID, APP_ID = "U00000BOT", "B00000BOT", "A00000BOT"
SLACKBOT = "USLACKBOT"
#: Prefix of the scopes that a kind of conversation needs.
SCOPE_OF: dict[str, str] = {"public_channel": "channels", "private_channel": "groups", "mpim": "mpim", "im": "im"}
#: The most repliers that a root names.
MOST_REPLY_USERS = 5


@dataclass
class SlackUser:
    """One account of the workspace."""

    id: str
    name: str
    real_name: str
    email: str | None
    updated: int
    deleted: bool = False
    is_bot: bool = False
    is_restricted: bool = False


@dataclass
class SlackChannel:
    """One conversation.

    Args:
        id: stays when the name changes.
        name: the name; for a direct message, the id of the person whom the bot talks with.
        kind: as the parameter ``types`` of ``conversations.list`` names it.
        created: epoch ms.
        creator: user id.
        members: user ids, in the order in which they joined.
    """

    id: str
    name: str
    kind: Kind
    created: int
    creator: str
    members: list[str] = field(default_factory=list)
    is_archived: bool = False
    topic: str = ""
    previous_names: list[str] = field(default_factory=list)
    #: Every message by ts.
    messages: dict[str, Document] = field(default_factory=dict)
    #: ts of the messages that the channel shows, ascending: all except plain replies.
    timeline: list[str] = field(default_factory=list)
    #: ts of the replies, ascending, by ts of their root.
    threads: dict[str, list[str]] = field(default_factory=dict)

    @property
    def has_bot(self) -> bool:
        """Whether the bot may read it."""
        return BOT_USER in self.members

    def shown(self, ts: str, *, in_channel: bool) -> Document:
        """The document of a message: a root with the facts about its thread, a broadcast with its root."""
        document = self.messages[ts]
        if replies := self.threads.get(ts):
            users = list(dict.fromkeys(self.messages[reply]["user"] for reply in replies))
            return {
                **document,
                "thread_ts": ts,
                "reply_count": len(replies),
                "reply_users_count": len(users),
                "latest_reply": replies[-1],
                "reply_users": users[:MOST_REPLY_USERS],
                "is_locked": False,
                "subscribed": False,
            }
        if in_channel and document.get("subtype") == "thread_broadcast":
            return {**document, "root": self.shown(document["thread_ts"], in_channel=False)}
        return document


class Workspace:
    """The workspace.

    Args:
        clock: the clock of all services.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.users: dict[str, SlackUser] = {}
        self.channels: dict[str, SlackChannel] = {}
        self.token_error: str | None = None
        #: What the token may do.
        self.scopes = {f"{prefix}:{act}" for prefix in SCOPE_OF.values() for act in ("read", "history")}
        self.scopes |= {"users:read", "users:read.email"}
        #: The most messages of a page of history or replies, also when more are asked for; None: the documented 999.
        self.clamp: int | None = None
        #: Messages with a smaller ts are hidden, as on a free plan.
        self.hidden_before = ""
        #: Whether ``users.list`` refuses requests without a limit.
        self.limit_required = False

    # -- people and channels

    def add_user(self, name: str, real_name: str, email: str | None, at: int, **flags: bool) -> SlackUser:
        """Add an account."""
        user = SlackUser(f"U{len(self.users) + 1:08d}", name, real_name, email, at, **flags)
        self.users[user.id] = user
        return user

    def add_channel(self, name: str, kind: Kind, at: int, creator: str, members: list[str]) -> SlackChannel:
        """Add a conversation; a channel announces each member that joins, a direct message does not."""
        letter = "D" if kind == "im" else "C"
        channel = SlackChannel(f"{letter}{len(self.channels) + 1:08d}", name, kind, at, creator)
        self.channels[channel.id] = channel
        for number, user in enumerate(members):
            if kind in ("im", "mpim"):
                channel.members.append(user)
            else:
                self.join(channel, user, at + number)
        return channel

    def channel(self, name: str) -> SlackChannel:
        """The conversation with this id or name.

        Raises:
            LookupError: there is none.
        """
        for channel in self.channels.values():
            if name in (channel.id, channel.name):
                return channel
        raise LookupError(f"there is no channel {name}")

    def user(self, name: str) -> SlackUser:
        """The account with this id or name.

        Raises:
            LookupError: there is none.
        """
        for user in self.users.values():
            if name in (user.id, user.name):
                return user
        raise LookupError(f"there is no user {name}")

    def visible(self) -> Iterator[SlackChannel]:
        """The conversations that the bot can list: public channels, and all others that it is in."""
        for channel in self.channels.values():
            if channel.kind == "public_channel" or channel.has_bot:
                yield channel

    def may(self, channel: SlackChannel, act: str) -> bool:
        """Whether the token has the scope for an act (``read``, ``history``) on a channel of this kind."""
        return f"{SCOPE_OF[channel.kind]}:{act}" in self.scopes

    def readable(self) -> Iterator[SlackChannel]:
        """Conversations whose messages the bot may read."""
        for channel in self.visible():
            if channel.has_bot and self.may(channel, "read") and self.may(channel, "history"):
                yield channel

    def join(self, channel: SlackChannel, user: str, at: int) -> None:
        """Let somebody join a channel, which posts a message about it."""
        if user not in channel.members:
            channel.members.append(user)
            self.post(channel, user, f"<@{user}> has joined the channel", at, subtype="channel_join")

    def leave(self, channel: SlackChannel, user: str, at: int) -> None:
        """Let somebody leave a channel, which posts a message about it."""
        channel.members.remove(user)
        self.post(channel, user, f"<@{user}> has left the channel", at, subtype="channel_leave")

    # -- messages

    def post(
        self, channel: SlackChannel, user: str, text: str, at: int, *, thread: str | None = None, **more: Any
    ) -> Document:
        """Write a message, or with ``thread`` a reply to that root.

        Args:
            channel, user, text: where, by whom, what.
            at: epoch ms; the next free microsecond after it becomes the message's ts.
            thread: ts of a root.
            more: further fields of the document, such as ``subtype``.
        """
        ts = self._free_ts(channel, at)
        document: Document = {"type": "message", "user": user, "text": text, "ts": ts, "team": TEAM_ID}
        if self.users[user].is_bot:
            document |= {"bot_id": BOT_ID}
        elif "subtype" not in more:
            document["client_msg_id"] = f"{channel.id}-{ts}".lower()
        document |= more
        if thread:
            root = channel.messages[thread]
            if root.get("thread_ts", thread) != thread:
                raise ValueError(f"{thread} is a reply itself")
            document |= {"thread_ts": thread, "parent_user_id": root["user"]}
            bisect.insort(channel.threads.setdefault(thread, []), ts)
        if not thread or document.get("subtype") == "thread_broadcast":
            bisect.insort(channel.timeline, ts)
        channel.messages[ts] = document
        return document

    @staticmethod
    def _free_ts(channel: SlackChannel, at: int) -> str:
        """The next free ts. It uses all six decimals, as Slack does: a float would lose the last ones."""
        micros = at * 1000 + (at * 7919) % 997
        while (ts := f"{micros // 1_000_000}.{micros % 1_000_000:06d}") in channel.messages:
            micros += 1
        return ts

    def edit(self, channel: SlackChannel, ts: str, text: str, at: int) -> None:
        """Change the text of a message: only the new text is stored, with who changed it and when."""
        document = channel.messages[ts]
        edited = f"{at // 1000}.{at % 1000:03d}000"
        channel.messages[ts] = {**document, "text": text, "edited": {"user": document["user"], "ts": edited}}

    def delete(self, channel: SlackChannel, ts: str) -> None:
        """Delete a message without a trace; a root with replies becomes a tombstone, so that its thread stays."""
        document = channel.messages[ts]
        if channel.threads.get(ts):
            channel.messages[ts] = {
                "type": "message",
                "subtype": "tombstone",
                "text": "This message was deleted.",
                "user": SLACKBOT,
                "hidden": True,
                "ts": ts,
            }
            return
        del channel.messages[ts]
        if ts in channel.timeline:
            channel.timeline.remove(ts)
        root = document.get("thread_ts")
        if not root or root == ts:
            return
        channel.threads[root].remove(ts)
        if not channel.threads[root]:
            del channel.threads[root]
            if channel.messages[root].get("subtype") == "tombstone":
                self.delete(channel, root)

    def react(self, channel: SlackChannel, ts: str, name: str, user: str) -> None:
        """Add a reaction, or take it back; neither counts as an edit."""
        document = channel.messages[ts]
        reactions = {r["name"]: list(r["users"]) for r in document.get("reactions", [])}
        users = reactions.setdefault(name, [])
        (users.remove if user in users else users.append)(user)
        shown = [{"name": n, "users": u, "count": len(u)} for n, u in reactions.items() if u]
        changed = {key: value for key, value in document.items() if key != "reactions"}
        channel.messages[ts] = changed | ({"reactions": shown} if shown else {})
