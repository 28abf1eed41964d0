"""A source as a plain dlt source, for a pipeline of your own and any dlt destination.

``dlt.pipeline("jira", destination="duckdb", dataset_name="raw").run(jira())`` needs neither state nor Dagster. It reads
everything since a given time, and merges on ``id``: a second run writes each row again, and none twice. Watermarks,
deletions and the skipping of unchanged rows need the stored rows, so they stay with ``impulsum sync``.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.base.table import columns_sql
from impulsum_pipelines.sources.registry import missing_settings, off_error, tables


class NoStoredRows:
    """The stored rows (the protocol :class:`~impulsum_pipelines.sources.base.sync.StoredRows`) of a source without any.

    Sources query the stored rows in SQL, so the empty tables exist, in memory.

    Args:
        source: name of the source.
    """

    def __init__(self, source: str) -> None:
        import duckdb

        self._connection = duckdb.connect()
        self._connection.execute("create schema raw")
        for table in tables(source):
            self._connection.execute(f"create table raw.{table.name} ({columns_sql(table.all_columns)})")
        self._connection.execute("create table raw.syncs (sync_id varchar, status varchar)")

    def hashes(self, table: str, ids: Sequence[str]) -> Mapping[str, str | None]:
        """No row is stored."""
        return {}

    def is_empty(self, table: str) -> bool:
        """Every table is empty."""
        return True

    def ids(self, table: str, *, alive: bool = True, settled: bool = False) -> set[str]:
        """No row is stored."""
        return set()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query over the empty tables."""
        return self._connection.execute(sql, list(parameters)).fetchall()

    def refreshed_at(self, table: str) -> datetime | None:
        """No table was read before."""
        return None


class _StrictSync(Sync):
    """A sync that nobody asks afterwards whether it is complete: a stream that ends early ends all of it."""

    def fail(self, error: ImpulsumError) -> None:
        """Raise the error."""
        raise error


def plain_source(name: str, *, since: date | datetime | None = None, settings: Settings | None = None) -> Any:
    """The dlt source of one tool; the first request is made here, so a wrong token fails at once.

    Args:
        name: name of the source, such as ``jira``.
        since: read what changed at or after this day or instant (UTC); default ``IMPULSUM_START_DATE``. Small reference
            tables are read completely.
        settings: default: those of the environment.

    Raises:
        ImpulsumError: the source is off, or its account does not work. While the pipeline extracts, any error of the
            source ends the run before a row is loaded.
    """
    settings = settings or load_settings()
    if missing_settings(name, settings):
        raise off_error(name, settings)
    module = import_module(f"impulsum_pipelines.sources.{name}.source")
    client = module.open_client(settings)
    sync = _StrictSync(
        sync_id=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}",
        stored=NoStoredRows(name),
        watermark=None,
        window=None,
        census=False,
        overlap=timedelta(0),
        reference_age=timedelta(0),
        first_day=_instant(since or settings.impulsum_start_date),
        report=lambda stage, done, total: None,
    )
    site = module.begin(client, sync, settings)
    sync.started_at = client.api.traffic.clock or datetime.now(UTC)
    source = module.build_source(client, sync, site)
    weakref.finalize(source, client.api.close)
    for resource in source.resources.values():
        if resource.selected:
            resource.apply_hints(write_disposition="merge")
    return source


def _instant(since: date | datetime) -> datetime:
    if not isinstance(since, datetime):
        return datetime.combine(since, time.min, UTC)
    return since.astimezone(UTC) if since.tzinfo else since.replace(tzinfo=UTC)
