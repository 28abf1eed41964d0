"""Finds the days (UTC) of a source that are not closed. A day is closed once it was read again after its end.

Live pulls bring the changes of a day while it lasts. Changes that become visible late, behind their overlap, are found
only by reading the day again. The nightly close does that; if it did not run, the day may lack rows.

Which days are closed is read from ``raw.syncs``. It is committed in one transaction with the rows: so it never claims
rows that are not stored, nothing prunes it, and every sync is in it, however it was started. The alternatives say less.
Dagster's partition of a day is materialized by the first live pull on that day, when most of the day is yet to come;
it says nothing about the days before the first pull, which read them all; and it is lost with Dagster's storage. The
history in the ops store may lack syncs.

One complete sync closes a day if it covers the day from its first instant to its last and began after its end: a
window that loaded every partitioned table, or a live pull, whose span goes from its watermark to its own start. So
the first pull, which has no watermark, closes every day before it, and the first pull after an outage closes the days
that lie completely within the outage. What remains are the days on which live pulls began or ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import CLOSING

if TYPE_CHECKING:
    import duckdb

#: How long the nightly close may take before a day that it should have closed counts as missing.
GRACE = timedelta(hours=1)

_NEVER_CLOSED = """
with spans as (
    select window_start as first, window_end as last
    from raw.syncs
    where status = 'done' and mode = 'window' and list_has_all(json_keys(streams), $partitioned)
    union all
    select coalesce(watermark_from, '-infinity'::timestamptz), watermark_to
    from raw.syncs
    where status = 'done' and mode = 'live' and watermark_to is not null
),

days as (
    select unnest(generate_series($first::timestamptz, $open::timestamptz - interval 1 day, interval 1 day)) as day
)

select day::date
from days
where not exists (select 1 from spans where first <= day and last >= day + interval 1 day)
order by day
"""


@dataclass(frozen=True)
class Closing:
    """How far the days of a source are closed.

    Args:
        read_until: watermark of the live pulls, by the source's clock; None before the first complete one.
        never_closed: the days that should be closed by now but are not, oldest first.
    """

    read_until: datetime | None
    never_closed: tuple[date, ...]


def first_open_day(now: datetime, settings: Settings) -> date:
    """The first day (UTC) that need not be closed by now, given the hour of the nightly close and its grace."""
    local = (now - GRACE).astimezone(settings.zone)
    night = datetime.combine(local.date(), CLOSING, settings.zone)
    if night > local:
        night = datetime.combine(local.date() - timedelta(days=1), CLOSING, settings.zone)
    return night.astimezone(UTC).date()


def closing(connection: duckdb.DuckDBPyConnection, source: str, now: datetime, settings: Settings) -> Closing:
    """How far a source's days are closed. Before the first pull no day is missing, because that pull reads all of them.

    Args:
        connection: to the source's raw file.
        source: the source.
        now: decides which days should be closed.
        settings: the zone of the nightly close, and the first day ever pulled.
    """
    ((began, until),) = connection.execute(
        "select min(watermark_to), max(watermark_to) from raw.syncs where status = 'done' and mode = 'live'"
    ).fetchall()
    if began is None:
        return Closing(None, ())
    first = max(began.astimezone(UTC).date(), settings.impulsum_start_date)
    partitioned = [table.name for table in tables(source) if table.partitioned]
    parameters = {"partitioned": partitioned, "first": str(first), "open": str(first_open_day(now, settings))}
    days = connection.execute(_NEVER_CLOSED, parameters).fetchall()
    return Closing(until.astimezone(UTC), tuple(day for (day,) in days))


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """Sorted days as ranges (first, last) of consecutive days."""
    numbered = enumerate(days)
    found = (list(group) for _, group in groupby(numbered, key=lambda pair: pair[1] - timedelta(days=pair[0])))
    return [(group[0][1], group[-1][1]) for group in found]


def in_words(days: Iterable[date]) -> str:
    """Sorted days as text, such as ``2026-11-14, 2026-11-18 to 2026-11-20``."""
    return ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in ranges(days))
