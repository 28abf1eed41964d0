"""The content of a published file: the marts with their documentation, and one row on how old they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from impulsum_pipelines.base.home import connect
from impulsum_pipelines.base.version import code_version
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.publishing.audit import audit_warehouse, last_built_at

if TYPE_CHECKING:
    import duckdb

#: Schemas for analysts; the other schemas of the warehouse are private to the pipeline.
MART_SCHEMAS = ("core", "velocity", "risk", "quality", "restricted")

_ABOUT = {
    "release": "One row: the version and the age of this file. Times are UTC.",
    "release.version": "Name of this version; `impulsum versions` lists the kept ones.",
    "release.built_at": "When the models were last built.",
    "release.published_at": "When this file was written.",
    "release.data_as_of": "The file includes changes up to this time, for the source that was read last.",
    "release.code_version": "Version of impulsum_pipelines that wrote this file.",
}


@dataclass(frozen=True)
class Release:
    """The one row of ``about.release`` in a published file: its version and its age.

    Args:
        version: the file's version, a UTC time such as ``20261101T021500123Z``.
        built_at: when dbt last finished (UTC).
        published_at: when the file was written (UTC).
        data_as_of: the file includes changes up to this time (UTC), for the source that was read last; None before
            any sync.
        code_version: the version of this package.
    """

    version: str
    built_at: datetime
    published_at: datetime
    data_as_of: datetime | None
    code_version: str


def read_release(path: Path) -> Release:
    """The release of a published file."""
    with connect(path, read_only=True) as connection:
        row = connection.execute(
            "select version, built_at, published_at, data_as_of, code_version from about.release"
        ).fetchall()[0]
    return Release(*row)


def write_release(warehouse: Path, path: Path, *, version: str, published_at: datetime) -> dict[str, int]:
    """Audit ``warehouse`` and copy its marts to the new file ``path``.

    The caller must have the warehouse's read lock.

    Returns:
        Rows by ``schema.table``.

    Raises:
        ImpulsumError: of category *bad data* when the audit fails or there are no marts.
    """
    with connect(path, read_only=False) as connection:
        connection.execute(f"attach {_text(str(warehouse))} as warehouse (read_only)")
        audit_warehouse(connection, "warehouse")
        marts = _marts(connection)
        if not marts:
            raise ImpulsumError(Category.BAD_DATA, "The warehouse has no marts", next_step="run `impulsum build`.")
        tables = {f"{schema}.{table}": _copy(connection, schema, table) for schema, table in marts}
        _copy_comments(connection)
        _write_about(connection, version, published_at)
        connection.execute("detach warehouse")
        # Everything must be in the file itself: the rename would leave a write-ahead log behind.
        connection.execute("checkpoint")
    return tables


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
    """Copy the documentation that dbt stored in the warehouse: ``create table as`` does not copy it."""
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


def _write_about(connection: duckdb.DuckDBPyConnection, version: str, published_at: datetime) -> None:
    """Create ``about.release`` with its one row and its documentation."""
    connection.execute("create schema about")
    connection.execute(
        "create table about.release (version varchar, built_at timestamptz, published_at timestamptz, "
        "data_as_of timestamptz, code_version varchar)"
    )
    built_at = last_built_at(connection, "warehouse")
    connection.execute(
        "insert into about.release values (?, ?, ?, ?, ?)",
        [version, built_at, published_at, _data_as_of(connection), code_version()],
    )
    for target, comment in _ABOUT.items():
        kind = "column" if "." in target else "table"
        connection.execute(f"comment on {kind} about.{target} is {_text(comment)}")


def _data_as_of(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Newest ``read_until`` over all sources in ``quality.freshness``; None before any sync."""
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
