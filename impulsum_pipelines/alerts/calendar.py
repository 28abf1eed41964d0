"""When people are notified: P0 at once, P1 in waking hours, P2 and P3 outside of quiet hours.

Notifications that have to wait are sent in one digest at the end of the wait. Hours are local clock hours of
``IMPULSUM_TIMEZONE``, so a night in which the clocks change is an hour shorter or longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from impulsum_pipelines.settings import Settings

#: Every zone's offset is a multiple of this, so every hour and every change of the clocks begins on such a step.
_STEP = timedelta(minutes=15)


@dataclass(frozen=True)
class Due:
    """When a notification is sent.

    Args:
        at: the earliest time, UTC.
        digest: it had to wait, and is sent in one digest with everything else that waited.
    """

    at: datetime
    digest: bool


def when_due(priority: str, at: datetime, settings: Settings) -> Due:
    """When to send a notification of this priority that is needed at this instant.

    Args:
        priority: P0 to P3.
        at: when it is needed, any time zone.
        settings: for the zone, the quiet hours and the waking hours.
    """
    if priority == "P0":
        return Due(at, digest=False)
    waits = outside_waking_hours if priority == "P1" else in_quiet_hours
    first = _first_after(at, lambda moment: not waits(moment, settings))
    return Due(first, digest=first != at)


def in_quiet_hours(at: datetime, settings: Settings) -> bool:
    """Whether P2 and P3 wait at this instant, see ``IMPULSUM_QUIET_HOURS``."""
    local = at.astimezone(settings.zone)
    parts = settings.impulsum_quiet_hours.split(",")
    if "weekend" in parts and local.weekday() >= 5:
        return True
    return any(_within(part, local.hour) for part in parts if part not in {"weekend", "none"})


def outside_waking_hours(at: datetime, settings: Settings) -> bool:
    """Whether P1 waits at this instant, see ``IMPULSUM_WAKING_HOURS``."""
    return not _within(settings.impulsum_waking_hours, at.astimezone(settings.zone).hour)


def _within(hours: str, hour: int) -> bool:
    first, last = (int(part) for part in hours.split("-"))
    return first <= hour < last if first < last else hour >= first or hour < last


def _first_after(at: datetime, fits: Callable[[datetime], bool]) -> datetime:
    """The first instant at or after ``at`` that fits. Valid hours never make this a search of more than some days."""
    moment = at.astimezone(UTC)
    while not fits(moment):
        moment = moment - (moment - datetime.min.replace(tzinfo=UTC)) % _STEP + _STEP
    return moment
