"""Marks rows that scans prove absent: sets ``deleted_at`` or ``unreachable_since``. Rows are never dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from impulsum_pipelines.sources.base.sync import Scan
from impulsum_pipelines.sources.base.table import ALIVE

if TYPE_CHECKING:
    import duckdb

#: A scan in which more than this share of a scope, and at least this many rows, is gone is no proof of deletion.
GUARD_SHARE, GUARD_ROWS = 0.5, 10


@dataclass(frozen=True)
class MarkedRows:
    """How many rows a scan marked, in one scope."""

    table: str
    scope: str | None
    deleted: int
    unreachable: int


def mark_gone(
    connection: duckdb.DuckDBPyConnection, scans: Iterable[Scan], *, at: datetime, sync_id: str
) -> list[MarkedRows]:
    """Mark the rows that the scans prove absent, within the caller's transaction.

    A row is marked deleted. It is marked unreachable instead when the scan says that its scope can no longer be seen,
    or when so much of a scope is gone at once that lost access is the better guess (the mass-loss guard).
    """
    marked = []
    for scan in scans:
        if scan.parents and not scan.scope:
            continue
        if scan.are_gone and not scan.ids:
            continue
        connection.execute(
            "create or replace temp table scan_ids as select unnest(?::varchar[]) as id", [list(scan.ids)]
        )
        connection.execute(
            "create or replace temp table scan_scope as select unnest(?::varchar[]) as id", [list(scan.scope)]
        )
        for scope, alive, gone in _missing(connection, scan):
            doubtful = scan.guarded and gone >= GUARD_ROWS and gone > GUARD_SHARE * alive
            column = "unreachable_since" if scan.unreachable or doubtful else "deleted_at"
            connection.execute(
                f"update raw.{scan.table} set {column} = ?, extracted_at = ?, sync_id = ? "
                f"where id in (select id from scan_missing where scope is not distinct from ?)",
                [at, at, sync_id, scope],
            )
            lost = column == "unreachable_since"
            marked.append(MarkedRows(scan.table, scope, 0 if lost else gone, gone if lost else 0))
    return marked


def _missing(connection: duckdb.DuckDBPyConnection, scan: Scan) -> list[tuple[str | None, int, int]]:
    """(scope, rows alive, rows gone) of each scope that lost rows; their ids are left in ``scan_missing``."""
    in_scope = " or ".join(f"{parent} in (select id from scan_scope)" for parent in scan.parents) or "true"
    scope = scan.parents[0] if len(scan.parents) == 1 and scan.guarded else "null"
    absent = "in" if scan.are_gone else "not in"
    alive = f"{ALIVE} and ({in_scope})"
    connection.execute(
        f"create or replace temp table scan_missing as select id, ({scope})::varchar as scope from raw.{scan.table} "
        f"where {alive} and id {absent} (select id from scan_ids)"
    )
    if not connection.execute("select 1 from scan_missing limit 1").fetchone():
        return []
    return connection.execute(
        f"select lost.scope, (select count(*) from raw.{scan.table} where {alive} "
        f"and ({scope})::varchar is not distinct from lost.scope), count(*) from scan_missing lost group by 1"
    ).fetchall()
