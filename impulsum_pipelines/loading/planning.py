"""Which pulls a run makes, and which days they bring up to date. Days are UTC days of the source's own change time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

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


def caught_up_days(result: LoadResult) -> list[str]:
    """The closed days that a live pull brought up to date besides the open one, such as those of an outage.

    At most the newest :data:`MOST_DAYS`. The first pull reads the whole history, so it returns none; a backfill
    records those days.
    """
    if result.window or not result.watermark_from or not result.watermark_to:
        return []
    first, today = result.watermark_from.astimezone(UTC).date(), result.watermark_to.astimezone(UTC).date()
    closed = [first + timedelta(days=passed) for passed in range((today - first).days)]
    return [day.isoformat() for day in closed[-MOST_DAYS:]]
