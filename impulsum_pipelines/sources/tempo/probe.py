"""Asks Tempo what the token's user may see, without writing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.values import text_field
from impulsum_pipelines.sources.tempo.client import TempoClient

#: How far back to look for who logs hours.
LOOK_BACK = timedelta(days=30)


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try what a sync needs, one thing after the other.

    Tempo says nowhere that a user sees only own worklogs. What gives it away: hours of one person alone, where the
    teams have several.

    Yields:
        What was tried, and what Tempo answered, in words.

    Raises:
        ImpulsumError: of the first thing that does not work, with the next step.
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
        yield "worklogs", _seen(len(worklogs), len(authors), len(members))
        yield "accounts", f"{sum(len(page) for page in client.accounts())} accounts"
        yield "plans", _optional(lambda: f"{sum(len(p) for p in client.plans(since))} changed in 30 days", "left out")
        deleted = _optional(
            lambda: f"{sum(1 for _ in client.deletions(['worklog'], since))} worklogs deleted in 30 days",
            "deletions are found by the nightly census alone, and new hours of others may be out of sight",
        )
        yield "audit log", deleted
    finally:
        client.api.close()


def _seen(worklogs: int, authors: int, members: int) -> str:
    says = f"{worklogs} of {authors} people in 30 days"
    if authors == 1 and members > 1:
        return (
            f"{says}, though the teams have {members} members: the token's user may see only own worklogs; "
            "ask for the permission View all worklogs"
        )
    return says


def _optional(ask: Callable[[], str], without: str) -> str:
    """The answer, or what it means that the user may not have it."""
    try:
        return ask()
    except ImpulsumError as error:
        if error.category is not Category.PERMISSION:
            raise
        return f"not permitted: {without}"
