"""Slack: channels, their members, people, and every message with its thread.

The bot token of an internal app (``SLACK_BOT_TOKEN``) reads ``SLACK_API_URL``. Rows land in ``raw/slack.duckdb``;
:mod:`tables` says what they are. Only conversations that the bot is a member of can be read. ``impulsum sync slack``
pulls this source only.

What a live pull finds, and when:

- new messages, and edits, reactions, deletions and late replies to the newest :data:`client.PAGE` messages of a
  channel that are younger than ``SLACK_THREAD_DAYS``: at each pull;
- the same for the rest of these days, and edits within threads with a reply in the last two days: within
  ``IMPULSUM_REFERENCE_MINUTES``;
- anything older: at the next census.

A pull that finds nothing new costs two requests, and one more for each conversation that is not archived.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from impulsum_pipelines.settings import Settings


def slack(*, since: date | datetime | None = None, settings: Settings | None = None) -> Any:
    """Slack as a plain dlt source, see :func:`impulsum_pipelines.sources.standalone.plain_source`."""
    from impulsum_pipelines.sources.standalone import plain_source

    return plain_source("slack", since=since, settings=settings)
