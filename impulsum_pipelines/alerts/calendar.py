"""When people are told: P0 at once, P1 in waking hours, P2 and P3 outside of quiet hours.

What has to wait is told in one digest at the end of the wait. Hours are those of ``IMPULSUM_TIMEZONE`` as its clocks
show them, so a night in which they are put forward or back is an hour shorter or longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from impulsum_pipelines.settings import Settings

#: Every zone's offset is a multiple of it, so hours and changes of the clocks begin at one.
_STEP = timedelta(minutes=15)


@dataclass(frozen=True)
class Due:
    """When something is told.

    Args:
        at: not before, UTC.
        digest: it had to wait, and is told together with whatever else waited.
    """

    at: datetime
    digest: bool


def due(priority: str, at: datetime, settings: Settings) -> Due:
    """When a notification of this priority, needed at this instant, is to be told."""
    if priority == "P0":
        return Due(at, digest=False)
    told_at = _first_after(at, lambda moment: not (asleep if priority == "P1" else quiet)(moment, settings))
    return Due(told_at, digest=told_at != at)


def quiet(at: datetime, settings: Settings) -> bool:
    """Whether P2 and P3 wait at this instant, see ``IMPULSUM_QUIET_HOURS``."""
    local = at.astimezone(settings.zone)
    parts = settings.impulsum_quiet_hours.split(",")
    if "weekend" in parts and local.weekday() >= 5:
        return True
    return any(_within(part, local.hour) for part in parts if part not in {"weekend", "none"})


def asleep(at: datetime, settings: Settings) -> bool:
    """Whether P1 waits at this instant, see ``IMPULSUM_WAKING_HOURS``."""
    return not _within(settings.impulsum_waking_hours, at.astimezone(settings.zone).hour)


def _within(hours: str, hour: int) -> bool:
    first, last = (int(part) for part in hours.split("-"))
    return first <= hour < last if first < last else hour >= first or hour < last


def _first_after(at: datetime, fits: Callable[[datetime], bool]) -> datetime:
    """The first instant from this one on that fits. Hours and zones allow no wait of more than some days."""
    moment = at.astimezone(UTC)
    while not fits(moment):
        moment = moment - (moment - datetime.min.replace(tzinfo=UTC)) % _STEP + _STEP
    return moment
