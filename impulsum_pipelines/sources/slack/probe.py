"""Checks the Slack account and what it may read, without reading or writing any message."""

from __future__ import annotations

from collections.abc import Iterator

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.slack import rows
from impulsum_pipelines.sources.slack.client import SlackClient
from impulsum_pipelines.sources.slack.site import SCOPES


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try each thing that a sync needs, in order.

    Yields:
        What was tried, and Slack's answer in words.

    Raises:
        ImpulsumError: the first thing that does not work, with the next step.
    """
    client = SlackClient(settings)
    me, scopes = client.who_am_i()
    yield "account", f"logged in to {me.get('team', 'unknown')} as {me.get('user', 'unknown')}"
    yield "scopes", _scopes(scopes)
    kinds = tuple(k for k, prefix in SCOPES.items() if scopes is None or f"{prefix}:read" in scopes)
    channels = client.channels(kinds or ("public_channel",))
    readable = [channel for channel in channels if rows.is_member(channel)]
    yield "channels", f"{len(channels)} visible, the bot is in {len(readable)}" + ("" if readable else ": invite it")
    yield "users", f"{sum(1 for _ in client.users())} accounts"


def _scopes(scopes: frozenset[str] | None) -> str:
    if scopes is None:
        return "not named by Slack"
    wanted = [f"{prefix}:{act}" for prefix in SCOPES.values() for act in ("read", "history")]
    lacking = [scope for scope in (*wanted, "users:read", "users:read.email") if scope not in scopes]
    return f"without {', '.join(lacking)}: what they open is not read" if lacking else "all that a sync can use"
