"""The raw file of a source: its tables, and the metadata tables that loading keeps beside them.

Beside the declared tables every file has ``syncs`` (one row per sync), ``census`` (one row per census, table and
scope), ``quarantine`` (one row per document that did not fit its table) and ``state`` (one row: where the next live
sync begins).

A sync writes its row in ``syncs`` first, with the status ``loading``, and its metadata rows last. A row that still says
``loading`` when no sync runs is a load that was cut off: it was killed between the two. Such a load does not count. The
next sync starts from the same watermark, and reads the rows of the cut-off load again
(:data:`impulsum_pipelines.sources.base.table.NOT_CUT_OFF`), until a sync that reads as much is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.base.table import ALIVE, NOT_CUT_OFF, Column, columns_sql
from impulsum_pipelines.sources.registry import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

SYNCS = (
    Column("sync_id", "text", "Id of the sync; every row names the sync that wrote it."),
    Column("source", "text", "Name of the source."),
    Column("mode", "text", "live (from the watermark on) or window (a closed period)."),
    Column("census", "bool", "True when every id at the source was compared with the stored ids."),
    Column("window_start", "timestamp", "First instant of the window (UTC); null for a live sync."),
    Column("window_end", "timestamp", "End of the window (UTC), exclusive; null for a live sync."),
    Column("watermark_from", "timestamp", "Watermark before it (UTC, the source's clock); null where none was set."),
    Column("watermark_to", "timestamp", "Watermark after it (UTC, the source's clock); null where it did not move."),
    Column("started_at", "timestamp", "When the sync began (UTC, our clock)."),
    Column(
        "finished_at", "timestamp", "When the sync ended (UTC, our clock); null while it loads or if it was cut off."
    ),
    Column(
        "status",
        "text",
        "loading, done, incomplete (loaded, but a stream ended early), or cut off (killed while it loaded; what it "
        "wrote is read again until a sync that reads as much is done).",
    ),
    Column("requests", "int", "Number of requests that the source answered."),
    Column("limit_waits", "int", "Number of times that a rate limit of the source made the sync wait."),
    Column("limit_wait_seconds", "double", "Time that it waited for rate limits, s."),
    Column("extract_seconds", "double", "Time to read the source, s."),
    Column("normalize_seconds", "double", "Time to prepare the rows for loading, s."),
    Column("load_seconds", "double", "Time to write the rows, with the raw file locked, s."),
    Column("rows", "json", "By table: number of rows new, changed, unchanged, deleted and unreachable."),
    Column("streams", "json", "By stream: why it ended, its pages and rows, and whether it was read afresh."),
    Column("error", "text", "Why the sync is incomplete; null otherwise."),
)
CENSUS = (
    Column("sync_id", "text", "The sync that took the census."),
    Column("taken_at", "timestamp", "When the census was taken (UTC, the source's clock)."),
    Column("entity", "text", "The table that was counted, such as issues."),
    Column("scope_id", "text", "The part of the source that was counted, such as the id of a project."),
    Column("scope_name", "text", "Name of that part, such as the key of the project."),
    Column("at_source", "int", "Number of ids at the source."),
    Column("held", "int", "Number of rows stored after the sync, neither deleted nor unreachable."),
    Column("missing", "int", "Number of ids at the source that were not stored before the sync; the sync read them."),
    Column("deleted", "int", "Number of rows that the census found deleted."),
    Column("unreachable", "int", "Number of rows that the census found unreachable."),
    Column("approximate", "int", "The source's own, approximate count; null where it gives none."),
)
QUARANTINE = (
    Column("sync_id", "text", "The sync that read the document."),
    Column("stream", "text", "The table that the document was meant for."),
    Column("reason", "text", "Why the document does not fit the table."),
    Column("document", "text", "The document as JSON, cut at 1,000,000 characters."),
)
STATE = (
    Column("sync_id", "text", "The live sync that wrote the state."),
    Column("saved_at", "timestamp", "When the state was saved (UTC, our clock)."),
    Column("watermark", "timestamp", "Start of the last complete live sync (UTC, the source's clock)."),
    Column("memory", "json", "What the source keeps for its next sync, such as a cursor per channel."),
)
METADATA_TABLES = {"syncs": SYNCS, "census": CENSUS, "quarantine": QUARANTINE}
#: What a row of each is.
GRAINS = {
    "syncs": "One row per sync: what it read, what it cost, and how it ended.",
    "census": "One row per census, table and scope: ids at the source compared with stored rows.",
    "quarantine": "One row per document that did not fit its table, with the reason.",
}
#: The columns that tell the rows of each apart; two documents in quarantine may be alike.
KEYS = {"syncs": ("sync_id",), "census": ("sync_id", "entity", "scope_id")}


def ensure_tables(home: Home, source: str) -> None:
    """Create the raw file and each missing table, empty, so that dbt can always attach the file."""
    with home.read_raw(source) as connection:
        if connection is not None and _has_all_tables(connection, source):
            return
    with home.write_raw(source) as connection:
        connection.execute("create schema if not exists raw")
        for name, columns in _declared(source).items():
            connection.execute(f"create table if not exists raw.{name} ({columns_sql(columns)})")


def _declared(source: str) -> dict[str, tuple[Column, ...]]:
    return {table.name: table.all_columns for table in tables(source)} | METADATA_TABLES | {"state": STATE}


def _has_all_tables(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    rows = connection.execute("select table_name from information_schema.tables where table_schema = 'raw'")
    return _declared(source).keys() <= {name for (name,) in rows.fetchall()}


@contextmanager
def stored_rows(home: Home, source: str) -> Iterator[RawFileRows]:
    """The stored rows of a source; its raw file is created if needed.

    The file is opened once: each further opening takes a tenth of the time of a quiet sync.
    """
    with home.read_raw(source) as connection:
        if connection is not None and _has_all_tables(connection, source):
            yield RawFileRows(connection)
            return
    ensure_tables(home, source)
    with home.read_raw(source) as connection:
        yield RawFileRows(connection)


def refuse_half_loaded(home: Home, source: str) -> None:
    """Raise if a load of the file was cut off, so that nobody reads it half loaded; the caller holds the file's lock.

    Raises:
        ImpulsumError: of category bad data, saying which sync to run again.
    """
    with connect(home.raw(source), read_only=True) as connection:
        cut_off = connection.execute("select max(started_at) from raw.syncs where status = 'loading'").fetchone()
    if cut_off and cut_off[0]:
        raise ImpulsumError(
            Category.BAD_DATA,
            f"The load of {source} that started at {cut_off[0]:%Y-%m-%d %H:%M} UTC was cut off half-way",
            where=str(home.raw(source).name),
            safe="The published file was not changed.",
            next_step=f"run `impulsum sync {source}`: it starts again from the same watermark.",
        )


def settle_cut_off(connection: duckdb.DuckDBPyConnection, sync: Sync) -> None:
    """Delete the rows of cut-off loads that this sync replaced, and mark the others ``cut off``.

    Runs in the caller's transaction. A complete live sync reads again all that earlier live ones read; a complete
    census reads again all that any sync read.
    """
    if sync.watermark_to:
        connection.execute(
            "delete from raw.syncs where status in ('loading', 'cut off') and sync_id <> ? "
            "and (? or (mode = 'live' and not census))",
            [sync.sync_id, sync.census],
        )
    connection.execute(
        "update raw.syncs set status = 'cut off' where status = 'loading' and sync_id <> ?", [sync.sync_id]
    )


def insert_row(connection: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, Any]) -> None:
    """Insert one row into a table of the schema raw."""
    columns = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    connection.execute(f"insert into raw.{table} ({columns}) values ({marks})", list(row.values()))


class RawFileRows:
    """The stored rows of a source at the start of a sync (the protocol :class:`sources.base.sync.StoredRows`).

    Args:
        connection: read-only, and open during the whole extraction. Only this source's own syncs write the file, and
            they wait for each other, so nothing waits for this connection.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection | None) -> None:
        if connection is None:
            raise FileNotFoundError("no raw file: call ensure_tables first")
        self._connection = connection
        self._empty: dict[str, bool] = {}

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._connection.execute(sql, list(parameters)).fetchall()

    def is_empty(self, table: str) -> bool:
        """Whether the table has no row at all."""
        if table not in self._empty:
            self._empty[table] = not self.query(f"select 1 from raw.{table} limit 1")
        return self._empty[table]

    def hashes(self, table: str, ids: Sequence[str]) -> dict[str, str | None]:
        """``row_hash`` by id, for the ids that are stored; None for a row that is deleted or unreachable."""
        if not ids or self.is_empty(table):
            return {}
        return dict(
            self.query(
                f"select id, case when {ALIVE} then row_hash end from raw.{table} "
                "semi join (select unnest(?) as id) using (id)",
                [list(ids)],
            )
        )

    def ids(self, table: str, *, alive: bool = True, settled: bool = False) -> set[str]:
        """Ids of the stored rows.

        Args:
            table: the table.
            alive: leave out rows that are deleted or unreachable.
            settled: leave out rows that a cut-off load wrote.
        """
        where = ALIVE if alive else "true"
        where += f" and {NOT_CUT_OFF}" if settled else ""
        return {row_id for (row_id,) in self.query(f"select id from raw.{table} where {where}")}

    def newest(self, tables: Iterable[str], *, after: datetime) -> datetime | None:
        """The newest ``extracted_at`` in any of these tables, when it is after an instant.

        DuckDB knows the bounds of each block and skips the older ones, so stored rows cost nothing.
        """
        newest = "select max(extracted_at) as newest from raw.{} where extracted_at > ?"
        each = [newest.format(table) for table in tables]
        found = self.query(f"select max(newest) from ({' union all '.join(each)})", [after] * len(each))
        at: datetime | None = found[0][0]
        return at.astimezone(UTC) if at else None

    def refreshed_at(self, table: str) -> datetime | None:
        """When a complete sync last read the whole table again."""
        found = self.query(
            "select max(finished_at) from raw.syncs where status = 'done' and json_extract(streams, ?) = 'true'",
            [f"$.{table}.refreshed"],
        )
        at: datetime | None = found[0][0]
        return at.astimezone(UTC) if at else None

    def state(self) -> tuple[datetime | None, dict[str, Any]]:
        """The watermark and the source's memory; None and an empty dict before the first live sync."""
        for watermark, memory in self.query("select watermark, memory from raw.state"):
            return watermark.astimezone(UTC) if watermark else None, orjson.loads(memory)
        return None, {}

    def last_success(self) -> datetime | None:
        """When the last complete sync ended; None when there was none."""
        found = self.query("select max(finished_at) from raw.syncs where status = 'done'")
        at: datetime | None = found[0][0]
        return at.astimezone(UTC) if at else None
