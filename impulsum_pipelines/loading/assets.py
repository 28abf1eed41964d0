"""A source as Dagster assets: one asset per raw table, one op per source.

One op per source, because one walk reads all its tables: a subset of the tables is a subset of that walk. A run's
partitions, days (UTC) of the source's own change time, decide which pulls it makes:

- today, or no partition: *live*, from the stored watermark;
- a closed day or a range of closed days: *window*, which is stateless and never moves the watermark;
- a range that ends today: the window of its closed days, then live.

The specs come from the declared tables and not from the dlt source, because importing dlt takes a second in every run.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from impulsum_pipelines.base.catalog import owners, source_files, tags, working_day_deadline
from impulsum_pipelines.base.failing import RETRIES, failure
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.base.progress import reporter
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading.history import Origin
from impulsum_pipelines.loading.partitions import day_partitions, first_day, keep_first_day
from impulsum_pipelines.loading.planning import MOST_DAYS, caught_up_days, plan_pulls, requested_days
from impulsum_pipelines.loading.raw import GRAINS, METADATA_TABLES
from impulsum_pipelines.loading.result import LoadResult, RowCounts
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources import registry
from impulsum_pipelines.sources.base.table import ALIVE, Column, Table
from impulsum_pipelines.sources.registry import tables, why_off
from impulsum_pipelines.tiers import Source

#: Added to the description of an asset with partitions.
_PARTITIONS = """

A partition is the day (UTC) on which rows last changed. The first partition stands for all days before the first pull,
which reads them at once. Materialize a day to read it again; `impulsum sync --since` also reads older ones."""


class PullConfig(dg.Config):
    """Run configuration of a source's op.

    Args:
        census: also compare every id at the source with the stored ids, to find deletions.
        fail_fast: somebody waits for the run: give up soon when the source is down or asks for a wait.
        refresh: also read these completely, changed or not, such as ``sprint:12``.
        since: read the days (UTC) from this one to ``until`` again, such as 2026-08-01, instead of the partitions of
            the run: also days before the first partition.
        until: the last of these days.
    """

    census: bool = False
    fail_fast: bool = False
    refresh: list[str] = []  # noqa: RUF012  # pydantic copies it
    since: str | None = None
    until: str | None = None


def build_source_assets(source: Source, settings: Settings) -> dg.AssetsDefinition:
    """The raw tables of one source as assets ``<source>/<table>`` in the group ``<source>``.

    Raises (in a run):
        dagster.Failure: with the category and the next step of the error. Dagster retries only if that can help.
    """
    declared = {table.name: table for table in tables(source.name)}
    partitions = day_partitions(settings)
    freshness = working_day_deadline(source.fresh_within, settings)

    @dg.multi_asset(
        name=f"{source.name}_pull",
        specs=[_spec(source, table, partitions, freshness) for table in declared.values()],
        can_subset=True,
        # Several runs per backfill, so that urgent pulls can run between them.
        backfill_policy=dg.BackfillPolicy.multi_run(MOST_DAYS),
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
                for window in plan_pulls(
                    requested_days(config.since, config.until) or _time_window(context), datetime.now(UTC)
                )
            ]
            stored = _stored_rows(source.name, current, chosen)
        except ImpulsumError as error:
            raise failure(error, RETRIES if config.fail_fast else context.retry_number) from error
        for name in METADATA_TABLES:
            context.log_event(dg.AssetMaterialization([source.name, name], metadata={"sync": results[-1].sync_id}))
        for day in caught_up_days(results[-1], first_day(current)):
            for name in chosen:
                if declared[name].partitioned:
                    context.log_event(
                        dg.AssetMaterialization(
                            [source.name, name], partition=day, metadata={"sync": results[-1].sync_id}
                        )
                    )
        for name in chosen:
            yield dg.MaterializeResult(
                asset_key=[source.name, name], metadata=_result_metadata(name, results, stored[name])
            )

    return pull


def build_metadata_assets(source: Source) -> list[dg.AssetSpec]:
    """The metadata tables of one source as assets. Every pull writes them, no matter which tables it reads."""
    return [
        dg.AssetSpec(
            [source.name, name],
            description=GRAINS[name],
            deps=[[source.name, tables(source.name)[0].name]],
            group_name=source.name,
            owners=owners(source.name),
            kinds={"duckdb"},
            tags=tags("raw", "every-sync"),
            metadata=_table_metadata(source, name, columns),
        )
        for name, columns in METADATA_TABLES.items()
    ]


def _result_metadata(name: str, results: list[LoadResult], stored: int) -> dict[str, Any]:
    """What the pulls did to one table: rows, watermark, cost, and why the stream ended.

    Requests and seconds are those of the whole pull, because one walk reads all its tables.

    Args:
        name: the table.
        results: the pulls of the run, in order.
        stored: rows of the table that exist at the source, after the pulls.
    """
    counts = [result.rows.get(name, RowCounts()) for result in results]
    last = results[-1]
    stream = last.streams.get(name)
    metadata: dict[str, Any] = {
        "dagster/row_count": stored,
        "pull": ", then ".join(_describe_pull(result) for result in results),
        **{f"rows {field.name}": sum(getattr(c, field.name) for c in counts) for field in fields(RowCounts)},
        "stream ended": stream.ended if stream else "not read: it was read recently, or is not part of this pull",
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
        owners=owners(source.name),
        kinds={"dlt", "duckdb", source.name},
        tags=tags("raw", "follows-changes" if table.partitioned else "reference"),
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
    folder = Path(registry.__file__).with_name(source.name)
    return {
        "dagster/column_schema": schema,
        "dagster/table_name": f"{source.name}.raw.{name}",
        **source_files(folder / "tables.py", folder / "walk.py"),
    }


def _time_window(context: dg.AssetExecutionContext) -> dg.TimeWindow | None:
    has_partitions = context.has_partition_key or context.has_partition_key_range
    return context.partition_time_window if has_partitions else None


def _stored_rows(source: str, settings: Settings, names: list[str]) -> dict[str, int]:
    """By table, the number of rows that exist at the source."""
    with Home.of(settings).read_raw(source) as connection:
        if connection is None:
            raise ImpulsumError(
                Category.INTERNAL,
                f"The raw file of {source} is gone after a load",
                next_step="check what else deletes files in IMPULSUM_HOME, then run again.",
            )
        keep_first_day(Home.of(settings), connection)
        return {
            name: connection.execute(f"select count(*) from raw.{name} where {ALIVE}").fetchone()[0] for name in names
        }


def _describe_pull(result: LoadResult) -> str:
    if result.window:
        return f"window {result.window.start:%Y-%m-%d}..{result.window.end:%Y-%m-%d}"
    return "live with census" if result.census else "live"


def _seconds(value: float) -> float:
    return round(value, 3)
