"""Declarations of raw tables: columns, their types and their meaning, written once.

The Arrow schema of the rows, the dlt hints, the column docs in the Dagster UI and, by ``make sources``, the dbt sources
are made from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

ColumnType = Literal["text", "bool", "int", "double", "timestamp", "date", "json"]

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


@dataclass(frozen=True)
class Column:
    """One typed column of a raw table; ``timestamp`` is UTC with the zone in the type, microseconds."""

    name: str
    type: ColumnType
    description: str


#: Columns that every raw table has, after its own.
COMMON = (
    Column("payload", "json", "The whole document as the vendor gave it."),
    Column("row_hash", "text", "Hash of the payload; a row with the same id and hash is not written again."),
    Column("site", "text", "Host of the site that the row came from."),
    Column("sync_id", "text", "The sync that wrote the row; see the table syncs."),
    Column("extracted_at", "timestamp", "When the row was read from the source, by the source's clock."),
    Column("deleted_at", "timestamp", "When the row was found deleted at the source; null while it exists."),
    Column(
        "unreachable_since",
        "timestamp",
        "Since when the row is no longer visible, without proof that it was deleted; null while it is visible.",
    ),
)

#: SQL, true of the rows that exist at the source, as far as we know.
ALIVE = "deleted_at is null and unreachable_since is null"


def alive(table: str) -> str:
    """:data:`ALIVE` for one table of a join, by its name or alias."""
    return f"{table}.deleted_at is null and {table}.unreachable_since is null"


#: SQL, true of the rows that no interrupted load wrote. Rows that belong to such a row may be missing, so a source must
#: not skip a read because the row itself is stored.
NOT_CUT_OFF = "sync_id not in (select sync_id from raw.syncs where status in ('loading', 'cut off'))"


def columns_sql(columns: Iterable[Column]) -> str:
    """The columns of a ``create table`` statement."""
    return ", ".join(f'"{c.name}" {SQL_TYPES[c.type]}{" NOT NULL" if c.name == "id" else ""}' for c in columns)


@dataclass(frozen=True)
class Table:
    """One raw table: one row per object of the vendor.

    Args:
        name: the vendor's noun, plural, snake case.
        description: its grain in one sentence, and what it is for.
        columns: the typed columns between ``id`` and the common ones.
        partitioned: True for tables that follow the source's change time (day partitions in Dagster); False for
            small reference tables that are read completely.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    partitioned: bool = False

    @cached_property
    def all_columns(self) -> tuple[Column, ...]:
        """``id``, the table's own columns, then the common ones."""
        identity = Column("id", "text", "The vendor's stable id; unique in this table.")
        return (identity, *self.columns, *COMMON)

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the table's rows; JSON travels as text."""
        import pyarrow as pa

        types = {
            "text": pa.string(),
            "json": pa.string(),
            "bool": pa.bool_(),
            "int": pa.int64(),
            "double": pa.float64(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "date": pa.date32(),
        }
        return pa.schema([pa.field(c.name, types[c.type], nullable=c.name != "id") for c in self.all_columns])


@dataclass(frozen=True)
class Scope:
    """Where people look for a row of a source: in a project, a repository, a channel.

    Args:
        table: the table of the scopes themselves.
        name: its column with the name that people use.
        column: the column of other tables that has the scope's id.
        through: for tables without that column: their own column with an id, and the table in which that id has one.
    """

    table: str
    name: str
    column: str
    through: tuple[str, str] | None = None
