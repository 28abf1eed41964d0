"""The raw file of a source: its tables, and the books that loading keeps beside them.

Beside the declared tables every file has ``syncs`` (one row per sync), ``census`` (one row per census and scope),
``quarantine`` (one row per document that did not fit its table) and ``state`` (one row: where the next live sync
begins).

A sync first writes its row in ``syncs`` with the status ``loading``, and its metadata rows last. A row that still says
``loading`` when no sync runs is a load that was cut off (killed between the two). It counts as no load: the next sync
starts from the same watermark, and rows that the cut-off load wrote are read again
(:data:`impulsum_pipelines.sources.base.table.NOT_CUT_OFF`) until a sync that reads as much is complete.
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
from impulsum_pipelines.sources.base.table import ALIVE, NOT_CUT_OFF, Column
from impulsum_pipelines.sources.registry import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

#: DuckDB's names for our column types.
SQL_TYPES = {
    "text": "VARCHAR",
    "json": "JSON",
    "bool": "BOOLEAN",
    "int": "BIGINT",
    "double": "DOUBLE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
}

SYNCS = (
    Column("sync_id", "text", "The sync."),
    Column("source", "text", "The source."),
    Column("mode", "text", "live or window."),
    Column("census", "bool", "Whether every id at the source was compared with the ids held."),
    Column("window_start", "timestamp", "First instant of the window."),
    Column("window_end", "timestamp", "End of the window, exclusive."),
    Column("watermark_from", "timestamp", "Watermark before; null for the first sync."),
    Column("watermark_to", "timestamp", "Watermark after; null when it was not moved."),
    Column("started_at", "timestamp", "Start, by our clock."),
    Column("finished_at", "timestamp", "End, by our clock; null while it loads."),
    Column(
        "status",
        "text",
        "loading, done, incomplete (loaded, but a stream ended early), or cut off (killed while it loaded; what it "
        "wrote is read again until a sync that reads as much is done).",
    ),
    Column("requests", "int", "Requests answered by the source."),
    Column("limit_waits", "int", "How often the source made us wait."),
    Column("limit_wait_seconds", "double", "How long in all, s."),
    Column("extract_seconds", "double", "Time to read, s."),
    Column("normalize_seconds", "double", "Time to prepare, s."),
    Column("load_seconds", "double", "Time to write, under the file's lock, s."),
    Column("rows", "json", "Per table: new, changed, unchanged, deleted, unreachable."),
    Column("streams", "json", "Per stream of what was loaded: why it ended, pages, rows, whether it was read afresh."),
    Column("error", "text", "Why it is incomplete."),
)
CENSUS = (
    Column("sync_id", "text", "The sync that took it."),
    Column("taken_at", "timestamp", "When, by the source's clock."),
    Column("entity", "text", "What was counted, such as issues."),
    Column("scope_id", "text", "Where, such as a project's id."),
    Column("scope_name", "text", "Its name, such as a project's key."),
    Column("at_source", "int", "Ids at the source."),
    Column("held", "int", "Rows held and alive after the sync."),
    Column("missing", "int", "Ids that were not held before it; they were read then."),
    Column("deleted", "int", "Rows found deleted."),
    Column("unreachable", "int", "Rows found out of sight."),
    Column("approximate", "int", "The source's own count."),
)
QUARANTINE = (
    Column("sync_id", "text", "The sync that met it."),
    Column("stream", "text", "The table that it was meant for."),
    Column("reason", "text", "Why it does not fit."),
    Column("document", "text", "The document, at most 1 MB of it."),
)
STATE = (
    Column("sync_id", "text", "The live sync that left it."),
    Column("saved_at", "timestamp", "When, by our clock."),
    Column("watermark", "timestamp", "Start of the last complete live sync, by the source's clock."),
    Column("memory", "json", "What the source chose to remember, such as a cursor a channel."),
)
METADATA_TABLES = {"syncs": SYNCS, "census": CENSUS, "quarantine": QUARANTINE}


def ensure_tables(home: Home, source: str) -> None:
    """Create the raw file and every table in it that is missing, empty, so that it can always be attached."""
    with home.read_raw(source) as connection:
        if connection is not None and _is_whole(connection, source):
            return
    with home.write_raw(source) as connection:
        connection.execute("create schema if not exists raw")
        for name, columns in _declared(source).items():
            body = ", ".join(f'"{c.name}" {SQL_TYPES[c.type]}{" NOT NULL" if c.name == "id" else ""}' for c in columns)
            connection.execute(f"create table if not exists raw.{name} ({body})")


def _declared(source: str) -> dict[str, tuple[Column, ...]]:
    return {table.name: table.all_columns for table in tables(source)} | METADATA_TABLES | {"state": STATE}


def _is_whole(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    rows = connection.execute("select table_name from information_schema.tables where table_schema = 'raw'")
    return _declared(source).keys() <= {name for (name,) in rows.fetchall()}


@contextmanager
def held_rows(home: Home, source: str) -> Iterator[HeldRows]:
    """What a raw file holds, which is made if need be; opened once, for each opening costs a quiet sync a tenth."""
    with home.read_raw(source) as connection:
        if connection is not None and _is_whole(connection, source):
            yield HeldRows(connection)
            return
    ensure_tables(home, source)
    with home.read_raw(source) as connection:
        yield HeldRows(connection)


def refuse_half_loaded(home: Home, source: str) -> None:
    """Stop whoever would read a file in which a load was cut off half-way; the caller holds the file's lock.

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
            safe="The published file stands as it was.",
            next_step=f"run `impulsum sync {source}`: it starts over from the same watermark.",
        )


def settle_cut_off(connection: duckdb.DuckDBPyConnection, sync: Sync) -> None:
    """Strike the loads that this sync made good, and keep the others as ``cut off``; in the caller's transaction.

    A complete live sync reads again what a live one before it read, and a complete census what any did.
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


def insert(connection: duckdb.DuckDBPyConnection, book: str, row: Mapping[str, Any]) -> None:
    """Write one row of a book."""
    columns = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    connection.execute(f"insert into raw.{book} ({columns}) values ({marks})", list(row.values()))


class HeldRows:
    """What a raw file holds at the start of a sync (the protocol :class:`sources.sync.Held`).

    Args:
        connection: read-only, open for the length of the extraction. Only this source's own syncs write the file,
            and they wait for each other, so nobody waits for it.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection | None) -> None:
        if connection is None:
            raise FileNotFoundError("no raw file: call ensure_tables first")
        self._connection = connection
        self._empty: dict[str, bool] = {}

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self._connection.execute(sql, list(parameters)).fetchall()

    def is_empty(self, table: str) -> bool:
        """Whether the table holds no row at all."""
        if table not in self._empty:
            self._empty[table] = not self.query(f"select 1 from raw.{table} limit 1")
        return self._empty[table]

    def hashes(self, table: str, ids: Sequence[str]) -> dict[str, str | None]:
        """``row_hash`` by id; None for a row that is deleted or unreachable."""
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
        """Every id held."""
        where = ALIVE if alive else "true"
        where += f" and {NOT_CUT_OFF}" if settled else ""
        return {row_id for (row_id,) in self.query(f"select id from raw.{table} where {where}")}

    def newest(self, tables: Iterable[str], *, after: datetime) -> datetime | None:
        """The newest ``extracted_at`` in any of these tables, when it is after an instant.

        DuckDB knows the bounds of each block, so it reads none where nothing is after: what is held costs nothing.
        """
        newest = "select max(extracted_at) as newest from raw.{} where extracted_at > ?"
        each = [newest.format(table) for table in tables]
        found = self.query(f"select max(newest) from ({' union all '.join(each)})", [after] * len(each))
        at: datetime | None = found[0][0]
        return at.astimezone(UTC) if at else None

    def refreshed_at(self, table: str) -> datetime | None:
        """When a done sync last read the table afresh."""
        found = self.query(
            "select max(finished_at) from raw.syncs where status = 'done' and json_extract(streams, ?) = 'true'",
            [f"$.{table}.refreshed"],
        )
        at: datetime | None = found[0][0]
        return at.astimezone(UTC) if at else None

    def state(self) -> tuple[datetime | None, dict[str, Any]]:
        """The watermark, and what the source chose to remember; nothing before the first live sync."""
        for watermark, memory in self.query("select watermark, memory from raw.state"):
            return watermark.astimezone(UTC) if watermark else None, orjson.loads(memory)
        return None, {}

    def last_success(self) -> datetime | None:
        """When the last sync ended well."""
        found = self.query("select max(finished_at) from raw.syncs where status = 'done'")
        at: datetime | None = found[0][0]
        return at.astimezone(UTC) if at else None
