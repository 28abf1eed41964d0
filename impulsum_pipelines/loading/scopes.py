"""Counts the rows that a sync wrote by scope: by project, repository, channel, data source or team."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from impulsum_pipelines.sources.base.table import Scope
from impulsum_pipelines.sources.registry import scope_of, tables

if TYPE_CHECKING:
    from collections.abc import Collection

    import duckdb


@dataclass
class ScopeRows:
    """Rows that one sync wrote in one scope.

    Args:
        scope: the scope's id at the source.
        name: its name; None where none is stored.
        rows: rows written, by table.
    """

    scope: str
    name: str | None
    rows: dict[str, int] = field(default_factory=dict)


def rows_by_scope(
    connection: duckdb.DuckDBPyConnection, source: str, sync_id: str, changed: Collection[str]
) -> tuple[ScopeRows, ...]:
    """The scopes in which a sync wrote rows, ordered by id.

    Args:
        connection: to the source's raw file, after the sync.
        source: the source.
        sync_id: the sync.
        changed: the tables that it wrote to; others are not counted.
    """
    declared = scope_of(source)
    if declared is None:
        return ()
    found: dict[str, ScopeRows] = {}
    for table in tables(source):
        counting = _counting(declared, table.name, {column.name for column in table.all_columns})
        if table.name not in changed or counting is None:
            continue
        for scope, name, count in connection.execute(counting, [sync_id]).fetchall():
            found.setdefault(scope, ScopeRows(scope, name)).rows[table.name] = count
    return tuple(found[scope] for scope in sorted(found))


def _counting(declared: Scope, table: str, columns: Collection[str]) -> str | None:
    """The query for (id, name, rows) of each scope; None for a table whose rows belong to none."""
    if table == declared.table:
        scope, joined = "row.id", ""
    elif declared.column in columns:
        scope, joined = f"row.{declared.column}", ""
    elif declared.through and declared.through[0] in columns:
        key, parent = declared.through
        scope, joined = f"parent.{declared.column}", f"join raw.{parent} parent on parent.id = row.{key}"
    else:
        return None
    return (
        f"select {scope}, any_value(scope.{declared.name}), count(*) from raw.{table} row {joined} "
        f"left join raw.{declared.table} scope on scope.id = {scope} "
        f"where row.sync_id = ? and {scope} is not null group by 1"
    )
