"""Which pulls a run makes, and which days they bring up to date. Days are UTC days of the source's own change time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Window

if TYPE_CHECKING:
    import dagster as dg

    from impulsum_pipelines.loading.result import LoadResult

#: Most days that one run of a backfill reads, and that a live pull records as caught up: an event costs Dagster's
#: SQLite about 40 ms for each table and day.
MOST_DAYS = 31


def plan_pulls(span: dg.TimeWindow | None, now: datetime) -> list[Window | None]:
    """The pulls that cover ``span``, in order; None is a live pull.

    Args:
        span: the partitions of the run as ``[start, end)``; None for a run without partitions.
        now: decides which days are closed.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if span is None or span.start >= today:
        return [None]
    if span.end <= today:
        return [Window(span.start, span.end)]
    return [Window(span.start, today), None]


def requested_days(since: str | None, until: str | None) -> dg.TimeWindow | None:
    """The days that the configuration of a run names, both included; None when it names none.

    Raises:
        ImpulsumError: of category configuration when they are no range of days.
    """
    import dagster as dg

    if since is None and until is None:
        return None
    try:
        first, last = (datetime.combine(date.fromisoformat(day or ""), time(), UTC) for day in (since, until))
        if first > last:
            raise ValueError
    except ValueError:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"since {since} until {until} is no range of days",
            next_step="set both to days such as 2026-11-01, since before until.",
        ) from None
    return dg.TimeWindow(first, last + timedelta(days=1))


def caught_up_days(result: LoadResult, first_day: date) -> list[str]:
    """The closed days that a live pull brought up to date besides the open one, such as those of an outage.

    At most the newest :data:`MOST_DAYS`, and none before ``first_day``, the first partition: it stands for everything
    before the first pull, which reads the whole history.
    """
    if result.window or not result.watermark_to:
        return []
    since = result.watermark_from.astimezone(UTC).date() if result.watermark_from else first_day
    first, today = max(since, first_day), result.watermark_to.astimezone(UTC).date()
    closed = [first + timedelta(days=passed) for passed in range((today - first).days)]
    return [day.isoformat() for day in closed[-MOST_DAYS:]]
