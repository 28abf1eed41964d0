"""Check the connection to Fireflies: whose key it is and what it sees. Costs three requests of the day's quota."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.fireflies.client import PAGE, FirefliesClient


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try what a sync needs, step by step.

    Yields:
        What was tried, and what Fireflies answered, as text.

    Raises:
        ImpulsumError: the first step that failed; the error says what to do.
    """
    client = FirefliesClient(settings)
    try:
        account = client.account()
        role = (
            "administrator: sees the team's meetings" if account.get("is_admin") else "member: sees their own meetings"
        )
        yield "account", f"key of {account.get('name', 'unknown')}, {role}"
        now = datetime.now(UTC)
        seen = client.list_page(now - timedelta(days=30), now, 0).documents
        shown = f"{PAGE} or more" if len(seen) >= PAGE else str(len(seen))
        yield "meetings", f"{shown} in the last 30 days"
        if seen:
            read = client.whole_meetings([str(seen[0]["id"])])
            yield "whole meeting", "can be read" if read.documents and not read.damaged else "cannot be read whole"
    finally:
        client.api.close()
