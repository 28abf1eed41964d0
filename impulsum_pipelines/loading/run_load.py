"""Runs one sync of one source, in stages, so that the raw file is locked only while it is written.

``pipeline.run`` would open the destination first, fail at once if it is locked, and keep it open during the API pull.
Here extract and normalize come first, without a lock that anybody waits for; then load, with the lock. The working
folder is new for each sync, and the raw file is the only state: its watermark is in the metadata tables, which are
committed last. So a sync that was killed is simply run again: rows that it did not commit never existed, and rows that
it did commit are merged onto themselves. A sync that finds nothing new writes only the metadata tables.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.absence import MarkedRows, mark_gone
from impulsum_pipelines.loading.history import Origin, recorded
from impulsum_pipelines.loading.pipeline import (
    FIRST_LOAD_MEMORY,
    MERGE_MEMORY,
    destination,
    fresh_pipeline,
    no_cycle_search,
    unwrapped_errors,
)
from impulsum_pipelines.loading.raw import RawFileRows, insert_row, settle_cut_off, stored_rows
from impulsum_pipelines.loading.result import LoadResult, RowCounts
from impulsum_pipelines.loading.scopes import rows_by_scope
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.sync import CensusCount, Progress, Sync, Window
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.registry import is_configured, off_error
from impulsum_pipelines.sources.registry import tables as tables_of

if TYPE_CHECKING:
    import duckdb

    from impulsum_pipelines.sources.base.http import Traffic

log = logging.getLogger(__name__)


def run_load(
    source: str,
    settings: Settings,
    *,
    window: Window | None = None,
    census: bool = False,
    tables: Collection[str] | None = None,
    progress: Progress | None = None,
    origin: Origin | None = None,
    fail_fast: bool = False,
    refresh: Collection[str] = (),
) -> LoadResult:
    """Pull one source into its raw file.

    Args:
        source: name of the source.
        settings: the settings.
        window: read what last changed in this closed span and leave the watermark alone; None pulls what changed
            since the watermark (the first pull: everything since IMPULSUM_START_DATE).
        census: also compare every id at the source with the stored ids, read missing rows, mark rows that are gone.
        tables: names of the tables to read; None for all of them (in a window: all partitioned ones).
        progress: called with a stream's name, how much is done, and the total if it is known.
        origin: who started it, for the history; None counts as started by hand.
        fail_fast: somebody waits for the sync: give up soon when the source is down or asks for a wait.
        refresh: also read these completely, changed or not, see :class:`impulsum_pipelines.sources.base.sync.Sync`.

    Returns:
        What the sync did. Running it again right away changes no row.

    Raises:
        ImpulsumError: of category configuration when the source is off; otherwise the error that stopped the pull. When
            a stream ended early, the rows that it found are loaded first.
    """
    if not is_configured(source, settings):
        raise off_error(source, settings)
    home = Home.of(settings)
    with home.writing(f"{source}.sync"):
        load = _Load(
            source,
            settings,
            home,
            window,
            census,
            _chosen(source, window, tables),
            frozenset(refresh),
            fail_fast,
            progress or (lambda stage, done, total: None),
        )
        with recorded(
            settings,
            sync_id=load.sync_id,
            source=source,
            origin=origin or Origin(),
            window=(window.start, window.end) if window else None,
            census=census,
            started_at=load.started_at,
        ) as recording:
            recording.result, failures = load.run()
            if failures:
                raise failures[0]
            return recording.result


def _chosen(source: str, window: Window | None, tables: Collection[str] | None) -> frozenset[str]:
    declared = tables_of(source)
    if tables is not None:
        return frozenset(tables)
    return frozenset(table.name for table in declared if table.partitioned or window is None)


@dataclass
class _Load:
    """The stages of one sync, in order. The fields are the arguments of :func:`run_load`."""

    source: str
    settings: Settings
    home: Home
    window: Window | None
    census: bool
    tables: frozenset[str]
    refresh: frozenset[str]
    fail_fast: bool
    report: Progress
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sync_id = f"{self.started_at:%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"

    def run(self) -> tuple[LoadResult, list[ImpulsumError]]:
        """Run all stages; returns the result, and the errors of streams that ended early."""
        with ExitStack() as stack:
            with self._stage("extract"), stored_rows(self.home, self.source) as stored:
                pipeline = stack.enter_context(fresh_pipeline(self.home, self.source, stored, self.sync_id))
                sync, traffic = self._extract(pipeline, stored)
            with self._stage("normalize"):
                if sync.has_rows:
                    pipeline.normalize()
            with self._stage("load"), self.home.writing(self.source):
                return self._load(pipeline, sync, traffic), sync.failures

    # ---------------------------------------------------------------- stages

    def _extract(self, pipeline: Any, stored: RawFileRows) -> tuple[Sync, Traffic]:
        module = import_module(f"impulsum_pipelines.sources.{self.source}.source")
        declared = frozenset(table.name for table in tables_of(self.source))
        watermark, memory = stored.state()
        sync = Sync(
            sync_id=self.sync_id,
            stored=stored,
            watermark=watermark,
            window=self.window,
            census=self.census,
            overlap=timedelta(minutes=self.settings.impulsum_overlap_minutes),
            reference_age=timedelta(minutes=self.settings.impulsum_reference_minutes),
            first_day=datetime.combine(self.settings.impulsum_start_date, time_of_day.min, UTC),
            report=self.report,
            refresh=self.refresh,
            memory=memory,
            reads_all=self.tables >= declared,
        )
        client = module.open_client(self.settings)
        if self.fail_fast:
            client.api.fail_fast()
        try:
            with unwrapped_errors(self.source, stored, sync):
                site = module.begin(client, sync, self.settings)
                sync.started_at = client.api.traffic.clock or datetime.now(UTC)
                sync.newest_stored = stored.newest(declared, after=sync.started_at)
                data = module.build_source(client, sync, site)
                wanted = [
                    name for name, resource in data.selected_resources.items() if resource.table_name in self.tables
                ]
                with no_cycle_search():
                    pipeline.extract(data.with_resources(*wanted), loader_file_format="parquet")
                sync.conclude()
        finally:
            client.api.close()
        return sync, client.api.traffic

    def _load(self, pipeline: Any, sync: Sync, traffic: Traffic) -> LoadResult:
        began = time.monotonic()
        self.report("load", 0, None)
        # Open throughout: DuckDB checkpoints when the last connection closes, and dlt closes one after each file.
        with self.home.open_raw(self.source) as connection:
            insert_row(connection, "syncs", self._sync_row(sync, "loading"))
            if sync.has_rows:
                self._load_package(pipeline)
            connection.begin()
            rows = {
                table: RowCounts(new=seen.new, changed=seen.changed, unchanged=seen.unchanged)
                for table, seen in sync.seen.items()
            }
            gone = mark_gone(connection, sync.scans, at=sync.stamp or self.started_at, sync_id=self.sync_id)
            for mark in gone:
                counts = rows.setdefault(mark.table, RowCounts())
                counts.deleted += mark.deleted
                counts.unreachable += mark.unreachable
            for count in sync.counts:
                marks = [m for m in gone if m.table == count.entity and m.scope == count.scope_id]
                insert_row(connection, "census", self._census_row(connection, sync, count, marks))
            for bad in sync.quarantined:
                insert_row(connection, "quarantine", {"sync_id": self.sync_id, **asdict(bad)})
            self.seconds["load"] = time.monotonic() - began
            result = self._result(sync, traffic, rows)
            settle_cut_off(connection, sync)
            connection.execute("delete from raw.syncs where sync_id = ?", [self.sync_id])
            status = "incomplete" if sync.failures else "done"
            insert_row(connection, "syncs", self._sync_row(sync, status) | _outcome_row(result, sync, self.tables))
            if self.window is None:
                connection.execute("delete from raw.state")
                insert_row(connection, "state", self._state_row(sync))
            connection.commit()
            changed = [table for table, counts in rows.items() if counts != RowCounts(unchanged=counts.unchanged)]
            scopes = rows_by_scope(connection, self.source, self.sync_id, changed)
        self.report("load", 1, 1)
        return replace(result, scopes=scopes)

    def _load_package(self, pipeline: Any) -> None:
        """Load the extracted files, one table after the other: in parallel, each would need its own buffer."""
        from dlt.pipeline.exceptions import PipelineStepFailed

        try:
            pipeline.load(workers=1)
        except PipelineStepFailed as error:
            if "Out of Memory" not in str(error):
                raise
            log.warning(
                "%s: the load needs more than %s of memory; it continues with %s.",
                self.source,
                FIRST_LOAD_MEMORY,
                MERGE_MEMORY,
            )
            pipeline.load(destination=destination(self.home, self.source, memory=MERGE_MEMORY), workers=1)

    # ---------------------------------------------------------- metadata rows

    def _sync_row(self, sync: Sync, status: str) -> dict[str, Any]:
        return {
            "sync_id": self.sync_id,
            "source": self.source,
            "mode": "window" if self.window else "live",
            "census": self.census,
            "window_start": self.window.start if self.window else None,
            "window_end": self.window.end if self.window else None,
            "watermark_from": sync.watermark,
            "watermark_to": sync.watermark_to,
            "started_at": self.started_at,
            "status": status,
            "error": sync.failures[0].what if sync.failures else None,
        }

    def _state_row(self, sync: Sync) -> dict[str, Any]:
        """Where the next live sync begins. It is committed with the rows, so that it never runs ahead of them."""
        return {
            "sync_id": self.sync_id,
            "saved_at": datetime.now(UTC),
            "watermark": sync.watermark_to or sync.watermark,
            "memory": orjson.dumps(sync.memory).decode(),
        }

    def _census_row(
        self, connection: duckdb.DuckDBPyConnection, sync: Sync, count: CensusCount, marks: list[MarkedRows]
    ) -> dict[str, Any]:
        [(stored,)] = connection.execute(
            f"select count(*) from raw.{count.entity} where {count.column} = ? and {ALIVE}",
            [count.scope_id],
        ).fetchall()
        counted = asdict(count)
        del counted["column"]
        return {
            "sync_id": self.sync_id,
            "taken_at": sync.started_at,
            **counted,
            "held": stored,
            "deleted": sum(mark.deleted for mark in marks),
            "unreachable": sum(mark.unreachable for mark in marks),
        }

    def _result(self, sync: Sync, traffic: Traffic, rows: dict[str, RowCounts]) -> LoadResult:
        return LoadResult(
            sync_id=self.sync_id,
            source=self.source,
            mode="window" if self.window else "live",
            census=self.census,
            window=self.window,
            watermark_from=sync.watermark,
            watermark_to=sync.watermark_to,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            rows=rows,
            streams=sync.streams,
            requests=traffic.requests,
            limit_waits=traffic.limit_waits,
            limit_wait_seconds=traffic.limit_wait_seconds,
            extract_seconds=self.seconds["extract"],
            normalize_seconds=self.seconds["normalize"],
            load_seconds=self.seconds["load"],
        )

    # ------------------------------------------------------------- machinery

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.report(name, 0, None)
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began


def _outcome_row(result: LoadResult, sync: Sync, chosen: Collection[str]) -> dict[str, Any]:
    """The columns of a sync's row that are known at its end. Only chosen tables count as read."""
    not_chosen = {table.name for table in tables_of(result.source)}.difference(chosen)
    streams = {name: asdict(stream) for name, stream in sync.streams.items() if name not in not_chosen}
    for name in chosen:
        streams.setdefault(name, {})["refreshed"] = sync.refreshed.get(name, False)
    figures = ("requests", "limit_waits", "limit_wait_seconds", "extract_seconds", "normalize_seconds", "load_seconds")
    return {
        "finished_at": result.finished_at,
        **{name: getattr(result, name) for name in figures},
        "rows": orjson.dumps({table: asdict(counts) for table, counts in result.rows.items()}).decode(),
        "streams": orjson.dumps(streams).decode(),
    }
