"""Check the connection to Tempo: what the token's user may see. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.values import text_field
from impulsum_pipelines.sources.tempo.client import TempoClient

#: Authors of hours are counted this far back.
LOOK_BACK = timedelta(days=30)


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try what a sync needs, step by step.

    Tempo never says that a user sees only their own worklogs. The sign is: all hours are one person's, though the teams
    have several members.

    Yields:
        What was tried, and what Tempo answered, as text.

    Raises:
        ImpulsumError: the first step that failed; the error says what to do.
    """
    client = TempoClient(settings)
    try:
        teams = [team for page in client.teams() for team in page]
        listed = [m for page in client.memberships([team["id"] for team in teams]) for m in page]
        members = {text_field(membership.get("member"), "accountId") for membership in listed}
        yield "teams", f"{len(teams)} teams, {len(members)} members"
        since = (client.api.traffic.clock or datetime.now(UTC)) - LOOK_BACK
        worklogs = [worklog for page in client.worklogs_updated(since) for worklog in page]
        authors = {text_field(worklog.get("author"), "accountId") for worklog in worklogs}
        yield "worklogs", _visible(len(worklogs), len(authors), len(members))
        yield "accounts", f"{sum(len(page) for page in client.accounts())} accounts"
        yield "plans", _optional(lambda: f"{sum(len(p) for p in client.plans(since))} changed in 30 days", "not pulled")
        deleted = _optional(
            lambda: f"{sum(1 for _ in client.deletions(['worklog'], since))} worklogs deleted in 30 days",
            "only the nightly census finds deletions, and new hours of other people may be invisible",
        )
        yield "audit log", deleted
    finally:
        client.api.close()


def _visible(worklogs: int, authors: int, members: int) -> str:
    counts = f"{worklogs} of {authors} people in 30 days"
    if authors == 1 and members > 1:
        return (
            f"{counts}, though the teams have {members} members: the token's user may see only their own worklogs; "
            "ask a Tempo administrator for the permission View all worklogs"
        )
    return counts


def _optional(count: Callable[[], str], without: str) -> str:
    """The count, or what follows when the user may not read it."""
    try:
        return count()
    except ImpulsumError as error:
        if error.category is not Category.PERMISSION:
            raise
        return f"not permitted: {without}"
