"""The days (UTC) that Dagster shows as partitions of the raw tables.

The first pull reads the whole history at once. Dagster shows a day as materialized only after an event for that day:
for years of history that would be thousands of events per table, and without them every day looks missing, which
invites a backfill of what is stored already. So the partitions begin on the day before the first pull. That first
partition stands for everything before it, and one event per table marks it.

The file ``first_day`` in ``IMPULSUM_HOME`` keeps that day. Somebody who wants to read older days again one by one in
the UI writes an earlier day into it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    import duckdb

#: Tag of a run that reads days again that are no partitions.
OLD_DAYS_TAG = "impulsum/days"

#: Dagster's tags for the first and the last partition of a run.
RANGE_TAGS = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def day_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """The day partitions of every source, from :func:`first_day` to today, which is still open."""
    import dagster as dg

    return dg.DailyPartitionsDefinition(start_date=first_day(settings).isoformat(), timezone="UTC", end_offset=1)


def first_day(settings: Settings) -> date:
    """The first day that is a partition, never before ``IMPULSUM_START_DATE``.

    Read once per process, so that sensors use the days of the definitions that Dagster loaded with them. Before the
    first pull it is yesterday.

    Raises:
        ImpulsumError: of category configuration when the file holds no day.
    """
    return _first_day(Home.of(settings), settings.impulsum_start_date)


@cache
def _first_day(home: Home, start: date) -> date:
    try:
        text = home.first_day.read_text().strip()
    except FileNotFoundError:
        return max(datetime.now(UTC).date() - timedelta(days=1), start)
    try:
        return max(date.fromisoformat(text), start)
    except ValueError:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"{home.first_day} holds no day: {text[:40]!r}",
            next_step="write a day such as 2026-11-01 into it, or delete it: the next pull writes it again.",
        ) from None


def keep_first_day(home: Home, connection: duckdb.DuckDBPyConnection) -> None:
    """Write the file after a pull, unless there is one: the day before the first complete live pull.

    Args:
        home: gets the file.
        connection: to the raw file of the source that was pulled.
    """
    if home.first_day.exists():
        return
    [(began,)] = connection.execute(
        "select min(started_at) from raw.syncs where status = 'done' and mode = 'live'"
    ).fetchall()
    if began is not None:
        eve = began.astimezone(UTC).date() - timedelta(days=1)
        try:
            with home.first_day.open("x") as file:
                file.write(f"{eve}\n")
        except FileExistsError:  # a pull of another source was faster
            pass


def reading(first: date, last: date, settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """The tags of a run that reads these days again, and the fields of its pull's configuration.

    The days are the partitions of the run. If they begin before the first partition, the configuration names them.
    """
    if first >= first_day(settings):
        return dict(zip(RANGE_TAGS, (f"{first}", f"{last}"), strict=True)), {}
    return {OLD_DAYS_TAG: f"{first} to {last}"}, {"since": f"{first}", "until": f"{last}"}
