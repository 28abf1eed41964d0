"""What a published file holds: the marts with their documentation, and a note of how old they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import TYPE_CHECKING

from impulsum_pipelines.base.home import connect
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.publishing.audit import audit, last_built_at

if TYPE_CHECKING:
    import duckdb

#: Schemas that are for analysts; the rest of the warehouse is the pipeline's own.
MART_SCHEMAS = ("core", "velocity", "risk", "quality", "restricted")

_ABOUT = {
    "release": "One row: which version of the data this file is, and how old it is. Times are UTC.",
    "release.version": "Name of this version; `impulsum versions` lists those that are kept.",
    "release.built_at": "When the models were last built.",
    "release.published_at": "When this file was written.",
    "release.data_as_of": "Changes up to then are in here, of the source that was read last.",
    "release.code_version": "Version of impulsum_pipelines that wrote this file.",
}


@dataclass(frozen=True)
class Release:
    """The one row of ``about.release`` in a published file: what a reader should know about its age.

    Args:
        version: the file's version, a UTC time such as ``20261101T021500123Z``.
        built_at: when dbt last finished (UTC).
        published_at: when the file was written (UTC).
        data_as_of: changes up to then are in it, of the source that was read last (UTC); None before any sync.
        code_version: the version of this package.
    """

    version: str
    built_at: datetime
    published_at: datetime
    data_as_of: datetime | None
    code_version: str


def read_release(path: Path) -> Release:
    """What a published file says of itself."""
    with connect(path, read_only=True) as connection:
        row = connection.execute(
            "select version, built_at, published_at, data_as_of, code_version from about.release"
        ).fetchall()[0]
    return Release(*row)


def write_release(warehouse: Path, path: Path, *, version: str, published_at: datetime) -> dict[str, int]:
    """Audit ``warehouse`` and copy its marts to the new file ``path``.

    The caller holds the warehouse's read lock.

    Returns:
        Rows by ``schema.table``.

    Raises:
        ImpulsumError: of category *bad data* when the audit fails or there are no marts.
    """
    with connect(path, read_only=False) as connection:
        connection.execute(f"attach {_text(str(warehouse))} as warehouse (read_only)")
        audit(connection, "warehouse")
        marts = _marts(connection)
        if not marts:
            raise ImpulsumError(Category.BAD_DATA, "The warehouse holds no marts", next_step="run `impulsum build`.")
        tables = {f"{schema}.{table}": _copy(connection, schema, table) for schema, table in marts}
        _copy_comments(connection)
        _describe(connection, version, published_at)
        connection.execute("detach warehouse")
        # All in the file itself: nothing may be left in a write-ahead log that the rename would leave behind.
        connection.execute("checkpoint")
    return tables


def code_version() -> str:
    """Version of this package as installed."""
    try:
        return distribution_version("impulsum-pipelines")
    except PackageNotFoundError:
        return "not installed"


def _marts(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    rows = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_catalog = 'warehouse' and table_schema in (select unnest(?)) order by all",
        [list(MART_SCHEMAS)],
    ).fetchall()
    return [(schema, table) for schema, table in rows]


def _copy(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    target = f"{_name(schema)}.{_name(table)}"
    connection.execute(f"create schema if not exists {_name(schema)}")
    ((rows,),) = connection.execute(f"create table {target} as from warehouse.{target}").fetchall()
    return int(rows)


def _copy_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """Carry over the documentation that dbt persisted: ``create table as`` does not."""
    for kind in ("table", "view"):
        for schema, table, comment in connection.execute(
            f"select schema_name, {kind}_name, comment from duckdb_{kind}s() "
            "where database_name = 'warehouse' and comment is not null and schema_name in (select unnest(?))",
            [list(MART_SCHEMAS)],
        ).fetchall():
            connection.execute(f"comment on table {_name(schema)}.{_name(table)} is {_text(comment)}")
    for schema, table, column, comment in connection.execute(
        "select schema_name, table_name, column_name, comment from duckdb_columns() "
        "where database_name = 'warehouse' and comment is not null and schema_name in (select unnest(?))",
        [list(MART_SCHEMAS)],
    ).fetchall():
        target = f"{_name(schema)}.{_name(table)}.{_name(column)}"
        connection.execute(f"comment on column {target} is {_text(comment)}")


def _describe(connection: duckdb.DuckDBPyConnection, version: str, published_at: datetime) -> None:
    connection.execute("create schema about")
    connection.execute(
        "create table about.release (version varchar, built_at timestamptz, published_at timestamptz, "
        "data_as_of timestamptz, code_version varchar)"
    )
    built_at = last_built_at(connection, "warehouse")
    connection.execute(
        "insert into about.release values (?, ?, ?, ?, ?)",
        [version, built_at, published_at, _read_until(connection), code_version()],
    )
    for target, comment in _ABOUT.items():
        kind = "column" if "." in target else "table"
        connection.execute(f"comment on {kind} about.{target} is {_text(comment)}")


def _read_until(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Of the mart that holds one row a source: up to when the one read last was read."""
    if ("quality", "freshness") not in _marts(connection):
        return None
    ((newest,),) = connection.execute("select max(read_until)::timestamptz from quality.freshness").fetchall()
    return None if newest is None else datetime.fromisoformat(str(newest))


def _name(identifier: str) -> str:
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'


def _text(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
