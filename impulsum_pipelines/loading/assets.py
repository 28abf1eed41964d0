"""A source as Dagster assets: one asset per raw table, one op per source.

An op, because a source is pulled in one walk: a subset of the tables is a subset of that walk. Which pull a run
makes follows from its partitions, days (UTC) of the source's own change time:

- today, or no partition: *live*, from the stored watermark;
- a closed day or a range of days: *window*, stateless, never moves the watermark;
- a range that ends today: the window of its closed days, then live.

The specs come from the declared tables and not from the dlt source: importing dlt costs a second in every run.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil
from typing import Any

import dagster as dg

from impulsum_pipelines.base.failing import OWNER, RETRIES, failure
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.base.progress import reporter
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading.history import Origin
from impulsum_pipelines.loading.raw import METADATA_TABLES
from impulsum_pipelines.loading.result import LoadResult, RowCounts
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines.sources.base.table import ALIVE, Column, Table
from impulsum_pipelines.sources.registry import tables, why_off
from impulsum_pipelines.tiers import Source

#: Days that one run of a backfill reads, and that a live pull records as caught up: an event costs Dagster's SQLite
#: about 40 ms for each table and day.
_MOST_DAYS = 31

#: Below the description of an asset with partitions.
_PARTITIONS = """

A partition is a day (UTC) in which rows last changed. The first pull reads everything at once and is recorded for
its own day: earlier days show as missing, and what changed in them is held. Materialize one to read it again."""


class PullConfig(dg.Config):
    """Run configuration of a source's op.

    Args:
        census: also compare every id at the source with what is held, to find deletions.
        fail_fast: somebody waits: give up soon where the source is down or asks for a wait.
        refresh: also read this whole, changed or not, such as ``sprint:12``.
    """

    census: bool = False
    fail_fast: bool = False
    refresh: list[str] = []  # noqa: RUF012  # pydantic copies it


def days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """The day partitions of every source (UTC), from the first day ever pulled to today, which is still open."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.impulsum_start_date.isoformat(), timezone="UTC", end_offset=1
    )


def build_source_assets(source: Source, settings: Settings) -> dg.AssetsDefinition:
    """The raw tables of one source as assets ``<source>/<table>`` in the group ``<source>``.

    Raises (in a run):
        dagster.Failure: with the category and the next step of the error; tried again only when that can help.
    """
    declared = {table.name: table for table in tables(source.name)}
    partitions = days(settings)
    freshness = _freshness(source, settings)

    @dg.multi_asset(
        name=f"{source.name}_pull",
        specs=[_spec(source, table, partitions, freshness) for table in declared.values()],
        can_subset=True,
        # Not one run for all of it: what is urgent overtakes a backfill between two of its runs.
        backfill_policy=dg.BackfillPolicy.multi_run(_MOST_DAYS),
        pool=source.pool,
    )
    def pull(context: dg.AssetExecutionContext, config: PullConfig) -> Iterator[dg.MaterializeResult[None]]:
        current = load_settings()
        if reason := why_off(source.name, current):
            context.log.warning("%s is off: %s. Nothing was pulled.", source.title, reason)
            return
        chosen = [key.path[-1] for key in context.selected_asset_keys]
        try:
            results = [
                run_load(
                    source.name,
                    current,
                    window=window,
                    census=config.census and window is None,
                    tables=None if len(chosen) == len(declared) else chosen,
                    progress=reporter(),
                    origin=Origin.of_run(context.run.run_id, context.run.tags),
                    fail_fast=config.fail_fast,
                    refresh=config.refresh if window is None else (),
                )
                for window in plan(_time_window(context), datetime.now(UTC))
            ]
            held = _held(source.name, current, chosen)
        except ImpulsumError as error:
            raise failure(error, RETRIES if config.fail_fast else context.retry_number) from error
        for book in METADATA_TABLES:
            context.log_event(dg.AssetMaterialization([source.name, book], metadata={"sync": results[-1].sync_id}))
        for day in caught_up(results[-1]):
            for name in chosen:
                if declared[name].partitioned:
                    context.log_event(
                        dg.AssetMaterialization(
                            [source.name, name], partition=day, metadata={"sync": results[-1].sync_id}
                        )
                    )
        for name in chosen:
            yield dg.MaterializeResult(
                asset_key=[source.name, name], metadata=table_metadata(name, results, held[name])
            )

    return pull


def build_metadata_assets(source: Source) -> list[dg.AssetSpec]:
    """The tables in which loading keeps its books; they are written by every pull, whichever tables it reads."""
    meanings = {
        "syncs": "One row per sync: what it read, what it cost, and how it ended.",
        "census": "One row per census and scope: ids at the source against rows held.",
        "quarantine": "One row per document that did not fit its table, with the reason.",
    }
    return [
        dg.AssetSpec(
            [source.name, book],
            description=meanings[book],
            deps=[[source.name, tables(source.name)[0].name]],
            group_name=source.name,
            owners=[OWNER],
            kinds={"duckdb"},
            tags={"layer": "raw", "cadence": "every-sync"},
            metadata=_table_metadata(source, book, columns),
        )
        for book, columns in METADATA_TABLES.items()
    ]


def plan(span: dg.TimeWindow | None, now: datetime) -> list[Window | None]:
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


def caught_up(result: LoadResult) -> list[str]:
    """The closed days that a live pull brought up to date besides the open one, such as those of an outage.

    At most the newest ``_MOST_DAYS``. So the first pull, which reads the whole history, names none; a backfill of the
    days records them.
    """
    if result.window or not result.watermark_from or not result.watermark_to:
        return []
    first, today = result.watermark_from.astimezone(UTC).date(), result.watermark_to.astimezone(UTC).date()
    closed = [first + timedelta(days=passed) for passed in range((today - first).days)]
    return [day.isoformat() for day in closed[-_MOST_DAYS:]]


def table_metadata(name: str, results: list[LoadResult], held: int) -> dict[str, Any]:
    """What the pulls did to one table: rows, watermark, cost, and why the stream ended.

    Requests and seconds are those of the whole pull, which reads all its tables in one walk.

    Args:
        name: the table.
        results: the pulls of the run, in order.
        held: rows of the table that exist at the source, after the pulls.
    """
    counts = [result.rows.get(name, RowCounts()) for result in results]
    last = results[-1]
    stream = last.streams.get(name)
    metadata: dict[str, Any] = {
        "dagster/row_count": held,
        "pull": ", then ".join(_describe(result) for result in results),
        **{f"rows {field.name}": sum(getattr(c, field.name) for c in counts) for field in fields(RowCounts)},
        "stream ended": stream.ended if stream else "not read again: young enough, or not part of this pull",
        "requests": sum(result.requests for result in results),
        "waits for limits": sum(result.limit_waits for result in results),
        "wait for limits (s)": _seconds(sum(result.limit_wait_seconds for result in results)),
        "extract (s)": _seconds(sum(result.extract_seconds for result in results)),
        "normalize (s)": _seconds(sum(result.normalize_seconds for result in results)),
        "load (s)": _seconds(sum(result.load_seconds for result in results)),
        "sync": ", ".join(result.sync_id for result in results),
    }
    if last.watermark_from:
        metadata["watermark from"] = dg.MetadataValue.timestamp(last.watermark_from)
    if last.watermark_to:
        metadata["watermark to"] = dg.MetadataValue.timestamp(last.watermark_to)
    return metadata


def _spec(
    source: Source, table: Table, partitions: dg.PartitionsDefinition[str], freshness: dg.FreshnessPolicy
) -> dg.AssetSpec:
    return dg.AssetSpec(
        [source.name, table.name],
        description=table.description + (_PARTITIONS if table.partitioned else ""),
        group_name=source.name,
        owners=[OWNER],
        kinds={"dlt", "duckdb", source.name},
        tags={"layer": "raw", "cadence": "follows-changes" if table.partitioned else "reference"},
        metadata=_table_metadata(source, table.name, table.all_columns),
        partitions_def=partitions if table.partitioned else None,
        freshness_policy=freshness,
    )


def _table_metadata(source: Source, name: str, columns: tuple[Column, ...]) -> dict[str, Any]:
    schema = dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.name != "id", unique=column.name == "id"),
            )
            for column in columns
        ]
    )
    return {"dagster/column_schema": schema, "dagster/table_name": f"{source.name}.raw.{name}"}


def _freshness(source: Source, settings: Settings) -> dg.FreshnessPolicy:
    """A deadline at each whole hour of the working day: a plain age would be missed every night."""
    first, last = settings.business_hours
    hours = min(ceil(source.fresh_within / timedelta(hours=1)), last - first)
    return _deadline(
        f"0 {first + hours}-{min(last, 23)}/{hours} * * 1-5", timedelta(hours=hours), settings.impulsum_timezone
    )


#: One policy for all tables and sources that share it: to make one walks a thousand cron ticks.
_deadline = cache(dg.FreshnessPolicy.cron)


def _time_window(context: dg.AssetExecutionContext) -> dg.TimeWindow | None:
    has_partitions = context.has_partition_key or context.has_partition_key_range
    return context.partition_time_window if has_partitions else None


def _held(source: str, settings: Settings, names: list[str]) -> dict[str, int]:
    with Home.of(settings).read_raw(source) as connection:
        if connection is None:
            raise ImpulsumError(
                Category.INTERNAL,
                f"The raw file of {source} is gone after a load",
                next_step="check who else deletes files in IMPULSUM_HOME, then run again.",
            )
        return {
            name: connection.execute(f"select count(*) from raw.{name} where {ALIVE}").fetchone()[0] for name in names
        }


def _describe(result: LoadResult) -> str:
    if result.window:
        return f"window {result.window.start:%Y-%m-%d}..{result.window.end:%Y-%m-%d}"
    return "live with census" if result.census else "live"


def _seconds(value: float) -> float:
    return round(value, 3)
