"""A sync of Slack through the public door, and what is stored afterwards."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.slack import client
from impulsum_pipelines_tests.sources.pulls import Pulls

#: How many times Slack's limits both sides allow; both still count requests.
FACTOR = 40

slack = Pulls("slack")
sync, held, one, alive, everything = slack.sync, slack.held, slack.one, slack.alive, slack.everything

ATLAS = "team-atlas"
DAY = 86_400

#: A setting by which reference data counts as old at each pull.
ALWAYS_DUE = ("IMPULSUM_REFERENCE_MINUTES", "0")


def raise_limits() -> None:
    """Let this process ask as often as the tests' workspace allows: it does not share the test's patches."""
    client.RATES = {method: calls * FACTOR for method, calls in client.RATES.items()}


def wrong(site: Running) -> dict[str, Any]:
    """How the stored rows differ from the workspace's truth; empty when right."""
    return slack.differences(site.control("slack/truth"))


def asked(site: Running) -> dict[str, int]:
    """Requests by method since the last call of this."""
    counted = site.requests(reset=True)
    return {path.rpartition("/")[2]: number for path, number in counted.items() if "/slack/" in path}


def later(site: Running, seconds: float = 3_600) -> None:
    """Let time pass in the workspace."""
    site.control("clock", advance_seconds=seconds)


def channel_id(site: Running, name: str) -> str:
    """The id of a channel."""
    return str(site.control("slack/channels")[name]["id"])


def readable(site: Running) -> list[str]:
    """Names of the channels that the bot is in."""
    return [name for name, channel in site.control("slack/channels").items() if channel["has_bot"]]


def row(message: str) -> dict[str, Any]:
    """The stored row of a message, by its id."""
    columns = ("text", "deleted_at", "unreachable_since", "reply_count", "subtype", "is_private", "reaction_count")
    return dict(zip(columns, slack.held(f"select {', '.join(columns)} from raw.messages where id = ?", message)[0],
                    strict=True))  # fmt: skip
