"""Webhook health of each source, for people and programs: its mode, its delivery rate, and what was missed.

The names of the fields are also the keys of ``impulsum webhooks health --json``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, missed_ranges, pulled_changes
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import SOURCES, Source
from impulsum_pipelines.webhooks.health.check import POLLING
from impulsum_pipelines.webhooks.health.context import health_row, newest_event_at
from impulsum_pipelines.webhooks.health.matching import WATCHED_FOR

#: The mode of a source without webhooks.
NO_WEBHOOKS = "no webhooks"


@dataclass(frozen=True)
class Day:
    """The counts of one source and day (UTC).

    Args:
        day: the day.
        events: events that happened on it.
        told: pulled changes that a webhook reported.
        missed: pulled changes that a webhook should have reported and did not.
        unwatched: pulled changes in scopes without webhooks.
    """

    day: date
    events: int
    told: int
    missed: int
    unwatched: int

    @property
    def rate(self) -> float | None:
        """The delivery rate: the share of changes that webhooks reported, 0 to 1; None without changes to report."""
        return rate([self])


def rate(days: Iterable[Day]) -> float | None:
    """The delivery rate of several days."""
    reported, total = 0, 0
    for day in days:
        reported += day.told
        total += day.told + day.missed
    return reported / total if total else None


@dataclass(frozen=True)
class Standing:
    """The webhook health of one source.

    Args:
        source: the source.
        mode: webhooks, polling (webhooks are silent, so it is pulled more often), or no webhooks.
        since: when a silence began, by the source's clock; None without silence.
        last_event_at: when the newest event happened.
        looked_at: when the last check was, by our clock.
        days: the last days, the newest first.
        waiting: how many events of these days no pull has shown yet.
        unseen: the events that a pull should have shown by now: id, type, subjects, title, occurred_at.
        ranges: rows of ``missed_ranges`` that are open or were found in these days, the newest first.
    """

    source: Source
    mode: str
    since: datetime | None
    last_event_at: datetime | None
    looked_at: datetime | None
    days: list[Day]
    waiting: int
    unseen: list[dict[str, Any]]
    ranges: list[dict[str, Any]]

    @property
    def trouble(self) -> str | None:
        """What is wrong, in one sentence; None when nothing is."""
        found = []
        if self.mode == POLLING and self.since is not None:
            minutes = round(self.source.fallback_every / timedelta(minutes=1))
            found.append(f"silent since {self.since:%Y-%m-%d %H:%M} UTC, so it is pulled every {minutes} minutes")
        if self.unseen:
            found.append(f"no pull shows {len(self.unseen)} of their events")
        if spans := sum(span["status"] == "open" for span in self.ranges):
            found.append(f"{spans} missed {'ranges are' if spans > 1 else 'range is'} open")
        return f"Webhooks of {self.source.title}: {'; '.join(found)}." if found else None


def standings(settings: Settings, *, at: datetime, days: int = 7) -> list[Standing]:
    """The webhook health of every source.

    Args:
        settings: the settings.
        at: now.
        days: how many days (UTC) to count, today included.

    Raises:
        ImpulsumError: the ops store is not available.
    """
    with transaction(settings) as connection:
        return [_standing(connection, settings, source, at, days) for source in SOURCES]


def is_silent(settings: Settings, source: str) -> bool:
    """Whether the webhooks of a source are silent, so that it is pulled more often.

    Raises:
        ImpulsumError: the ops store is not available.
    """
    with transaction(settings) as connection:
        row = health_row(connection, source)
    return row is not None and row.mode == POLLING


def _standing(connection: sa.Connection, settings: Settings, source: Source, at: datetime, days: int) -> Standing:
    name, row = source.name, health_row(connection, source.name)
    newest = newest_event_at(connection, name)
    is_lately = newest is not None and newest >= at - WATCHED_FOR
    mode = (
        row.mode
        if row and (row.mode == POLLING or is_lately or settings.source(name).webhook_secrets())
        else NO_WEBHOOKS
    )
    today = at.astimezone(UTC).date()
    first = datetime.combine(today - timedelta(days=days - 1), time.min, UTC)
    c = events.c
    waiting = sa.select(sa.func.count()).where(c.source == name, c.seen_by.is_(None), c.occurred_at >= first)
    unseen = sa.select(c.id, c.type, c.subjects, c.title, c.occurred_at).where(c.id.in_(row.unseen if row else []))
    spans = sa.select(missed_ranges).where(
        missed_ranges.c.source == name, sa.or_(missed_ranges.c.status == "open", missed_ranges.c.found_at >= first)
    )
    return Standing(
        source,
        mode,
        row.since if mode == POLLING else None,
        newest,
        row.looked_at if row else None,
        _days(connection, name, [today - timedelta(days=back) for back in range(days)]),
        connection.execute(waiting).scalar_one(),
        _rows(connection, unseen.order_by(c.occurred_at, c.id)),
        _rows(connection, spans.order_by(missed_ranges.c.from_at.desc(), missed_ranges.c.id)),
    )


def _days(connection: sa.Connection, source: str, days: list[date]) -> list[Day]:
    c = pulled_changes.c
    counted: dict[tuple[date, str], int] = {
        (row.day, row.outcome): row.changes
        for row in connection.execute(
            sa.select(c.day, c.outcome, sa.func.count().label("changes"))
            .where(
                c.source == source,
                c.outcome.in_(["told", "missed", "unwatched"]),
                c.changed_at >= datetime.combine(min(days), time.min, UTC),
            )
            .group_by(c.day, c.outcome)
        )
    }
    return [
        Day(
            day,
            _events(connection, source, day),
            *(counted.get((day, outcome), 0) for outcome in ("told", "missed", "unwatched")),
        )
        for day in days
    ]


def _events(connection: sa.Connection, source: str, day: date) -> int:
    start = datetime.combine(day, time.min, UTC)
    within = events.c.occurred_at >= start, events.c.occurred_at < start + timedelta(days=1)
    return connection.execute(sa.select(sa.func.count()).where(events.c.source == source, *within)).scalar_one()


def _rows(connection: sa.Connection, wanted: sa.Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(wanted).mappings()]
