"""Slack's verbs at the control door, ``POST /_sandbox/slack/<verb>``. Channels and people are named by id or name."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sandbox.clock import to_datetime
from impulsum_pipelines.sandbox.slack.limits import TIERS, SlackLimits
from impulsum_pipelines.sandbox.slack.workspace import BOT_USER, SLACKBOT, Document, Kind, SlackChannel, Workspace

Answer = dict[str, Any]


class SlackControl:
    """The verbs. No two edits happen in the same millisecond."""

    def __init__(self, workspace: Workspace, limits: SlackLimits) -> None:
        self._workspace = workspace
        self._limits = limits

    def _someone(self, channel: SlackChannel, user: str | None) -> str:
        return self._workspace.user(user).id if user else next(u for u in channel.members if u != BOT_USER)

    def _message(self, channel: str, ts: str) -> SlackChannel:
        found = self._workspace.channel(channel)
        if ts not in found.messages:
            raise LookupError(f"there is no message {ts} in {channel}")
        return found

    # -- reading

    def truth(self) -> Answer:
        """Every record that the source must have stored alive now, by raw table and id."""
        workspace = self._workspace
        listed = [channel for channel in workspace.visible() if workspace.may(channel, "read")]
        readable = list(workspace.readable())
        return {
            "channels": {channel.id: _channel_truth(channel) for channel in listed},
            "members": {
                f"{channel.id}:{user}": {"channel_id": channel.id, "user_id": user}
                for channel in readable
                for user in channel.members
            },
            "users": {
                user.id: {
                    "name": user.name,
                    "real_name": user.real_name,
                    "email": user.email if "users:read.email" in workspace.scopes else None,
                    "is_active": not user.deleted,
                    "is_bot": user.is_bot or user.id == SLACKBOT,
                }
                for user in workspace.users.values()
            },
            "messages": {
                f"{channel.id}:{ts}": _message_truth(channel, ts)
                for channel in readable
                for ts, document in channel.messages.items()
                if document.get("thread_ts", ts) >= workspace.hidden_before
            },
        }

    def channels(self) -> Answer:
        """Every conversation: id, name, kind, whether the bot is in it, and how many messages it has."""
        return {
            c.name: {"id": c.id, "kind": c.kind, "has_bot": c.has_bot, "messages": len(c.messages)}
            for c in self._workspace.channels.values()
        }

    def threads(self, channel: str) -> Answer:
        """The threads of a channel: ts of the replies, by ts of the root."""
        return dict(self._workspace.channel(channel).threads)

    def refusals(self) -> Answer:
        """How many requests a limit refused with 429, by method."""
        return dict(self._limits.refused)

    # -- messages

    def post(self, channel: str, text: str = "A message", user: str | None = None) -> Answer:
        """Write a message."""
        found = self._workspace.channel(channel)
        at = self._workspace.clock.tick()
        return {"ts": self._workspace.post(found, self._someone(found, user), text, at)["ts"]}

    def reply(
        self, channel: str, thread: str, text: str = "A reply", user: str | None = None, broadcast: bool = False
    ) -> Answer:
        """Reply to a message, however old it is; ``broadcast`` also sends the reply to the channel."""
        found = self._message(channel, thread)
        more = {"subtype": "thread_broadcast"} if broadcast else {}
        at, author = self._workspace.clock.tick(), self._someone(found, user)
        return {"ts": self._workspace.post(found, author, text, at, thread=thread, **more)["ts"]}

    def edit(self, channel: str, ts: str, text: str = "Edited") -> Answer:
        """Change the text of a message or reply."""
        self._workspace.edit(self._message(channel, ts), ts, text, self._workspace.clock.tick())
        return {}

    def delete(self, channel: str, ts: str) -> Answer:
        """Delete a message or reply; a root that has replies becomes a tombstone."""
        self._workspace.clock.tick()
        self._workspace.delete(self._message(channel, ts), ts)
        return {}

    def react(self, channel: str, ts: str, name: str = "eyes", user: str | None = None) -> Answer:
        """Add a reaction, or take the same one back."""
        found = self._message(channel, ts)
        self._workspace.clock.tick()
        self._workspace.react(found, ts, name, self._someone(found, user))
        return {}

    # -- channels

    def create_channel(self, name: str, kind: Kind = "public_channel", with_bot: bool = False) -> Answer:
        """Create a conversation with one person in it, and with the bot too if ``with_bot``."""
        people = [user.id for user in self._workspace.users.values() if not user.is_bot and user.id[1].isdigit()]
        members = [people[0], *([BOT_USER] if with_bot else [])]
        at = self._workspace.clock.tick()
        return {"id": self._workspace.add_channel(name, kind, at, people[0], members).id}

    def join(self, channel: str, user: str = BOT_USER) -> Answer:
        """Let somebody, by default the bot, join a channel."""
        found = self._workspace.channel(channel)
        self._workspace.join(found, self._workspace.user(user).id, self._workspace.clock.tick())
        return {}

    def leave(self, channel: str, user: str = BOT_USER) -> Answer:
        """Let somebody, by default the bot, leave a channel."""
        found = self._workspace.channel(channel)
        self._workspace.leave(found, self._workspace.user(user).id, self._workspace.clock.tick())
        return {}

    def archive(self, channel: str, archived: bool = True, removes_bot: bool = False) -> Answer:
        """Archive a channel, or restore it; ``removes_bot`` removes the bot without a message."""
        found = self._workspace.channel(channel)
        self._workspace.clock.tick()
        found.is_archived = archived
        if removes_bot:
            found.members.remove(BOT_USER)
        return {}

    def rename_channel(self, channel: str, name: str) -> Answer:
        """Rename a channel, which posts a message about it; the id stays."""
        found = self._workspace.channel(channel)
        found.previous_names = [*found.previous_names, found.name]
        before, found.name = found.name, name
        text, at = f"has renamed the channel from {before} to {name}", self._workspace.clock.tick()
        self._workspace.post(found, found.creator, text, at, subtype="channel_name", old_name=before, name=name)
        return {}

    def set_private(self, channel: str) -> Answer:
        """Make a public channel private."""
        self._workspace.channel(channel).kind = "private_channel"
        self._workspace.clock.tick()
        return {}

    # -- people, the token, the plan

    def add_user(self, name: str, channels: list[str] | None = None) -> Answer:
        """Add a person, who joins channels."""
        at = self._workspace.clock.tick()
        user = self._workspace.add_user(name, name.title(), f"{name}@example.com", at)
        for channel in channels or ["general"]:
            self._workspace.join(self._workspace.channel(channel), user.id, self._workspace.clock.tick())
        return {"id": user.id}

    def deactivate_user(self, user: str, active: bool = False) -> Answer:
        """Deactivate an account, or activate it again; its messages stay."""
        found = self._workspace.user(user)
        found.deleted, found.updated = not active, self._workspace.clock.tick()
        return {}

    def revoke_token(self, error: str | None = "token_revoked") -> Answer:
        """Refuse the token with this error from now on; with null it is valid again."""
        self._workspace.token_error = error
        return {}

    def scopes(self, remove: list[str] | None = None, add: list[str] | None = None) -> Answer:
        """Take scopes from the token, or give them back."""
        self._workspace.scopes -= set(remove or ())
        self._workspace.scopes |= set(add or ())
        return {"scopes": sorted(self._workspace.scopes)}

    def clamp_limit(self, limit: int | None = 15) -> Answer:
        """Silently give at most this many messages per page; null ends that."""
        self._workspace.clamp = limit
        return {}

    def hide_before(self, days: float | None = 90) -> Answer:
        """Hide messages older than this many days, as a free plan does; null shows them again."""
        at = None if days is None else self._workspace.clock.now() - round(days * 86_400_000)
        self._workspace.hidden_before = "" if at is None else f"{at // 1000}.{at % 1000:03d}000"
        return {}

    def limit_required(self, required: bool = True) -> Answer:
        """Let ``users.list`` refuse requests without a limit."""
        self._workspace.limit_required = required
        return {}

    def limits(self, factor: float = 1, period: float = 60.0) -> Answer:
        """Allow ``factor`` times the published number of calls, in a period of this many seconds."""
        self._limits.per_period = {method: round(calls * factor) for method, calls in TIERS.items()}
        self._limits.period = period
        return dict(self._limits.per_period)


def _channel_truth(channel: SlackChannel) -> Document:
    is_im = channel.kind == "im"
    return {
        "name": None if is_im else channel.name,
        "type": channel.kind,
        "is_private": channel.kind != "public_channel",
        "is_member": channel.has_bot,
        "is_archived": channel.is_archived,
        "num_members": None if is_im else len(channel.members),
    }


def _message_truth(channel: SlackChannel, ts: str) -> Document:
    document = channel.messages[ts]
    replies = channel.threads.get(ts, [])
    edited = document.get("edited", {}).get("ts")
    return {
        "channel_id": channel.id,
        "ts": ts,
        "thread_ts": ts if replies else document.get("thread_ts"),
        "user_id": document["user"],
        "subtype": document.get("subtype"),
        "text": document["text"],
        "channel_type": channel.kind,
        "is_private": channel.kind != "public_channel",
        "reply_count": len(replies) or None,
        "latest_reply": replies[-1] if replies else None,
        "posted_at": to_iso(ts),
        "edited_at": to_iso(edited) if edited else None,
        "reaction_count": sum(reaction["count"] for reaction in document.get("reactions", [])),
    }


def to_iso(ts: str) -> str:
    """A ts in ISO 8601, with microseconds."""
    seconds, micros = ts.split(".")
    return to_datetime(int(seconds) * 1000).replace(microsecond=int(micros)).isoformat()
