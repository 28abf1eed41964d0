"""The last check before data reaches analysts: is the build complete, and did every check pass?

dbt already stops at a failed test, but the audit does not rely on that. It reads the outcome of each model and test
that the build stored (``audit.invocations``, ``audit.node_results``), so the same rules apply to a build that was
killed, built only a part, or was started by hand. It also recomputes from the table that velocity adds up.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from impulsum_pipelines.errors import Category, ImpulsumError

if TYPE_CHECKING:
    import duckdb

#: Outcomes of a model or test that do not block a publish. Warnings are for people to read.
GOOD = ("success", "pass", "warn", "no-op")

#: Outcome that dbt's hook stores for a mart that no build has tried yet.
_NEVER_BUILT = "never built"

#: How many problems a message names.
_NAMED = 5


def audit_warehouse(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Raise unless the build of the warehouse attached as ``catalog`` is complete and every check passed.

    Raises:
        ImpulsumError: of category *bad data*, naming what failed.
    """
    if missing := unfinished_builds(connection, catalog) or never_built(connection, catalog):
        raise _refusal("the build is not complete", missing, "run `impulsum build`, which builds every table.")
    if failed := failed_nodes(connection, catalog) + broken_identities(connection, catalog):
        raise _refusal(
            "the checks failed",
            failed,
            "read the messages of the failed checks (in `make dev` or the dbt log), correct the cause, then run "
            "`impulsum build`.",
        )


def unfinished_builds(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """Why the warehouse is not one finished build: no build ended, or a killed one was not repaired.

    A killed build leaves new models beside old ones. It is repaired when every model and test has been built again
    since; a later build of a few of them is not enough.
    """
    if not _has(connection, catalog, "audit", "invocations"):
        return ["the warehouse has no finished build"]
    ((finished, killed),) = connection.execute(
        f"select count(finished_at), max(started_at) filter (finished_at is null) from {catalog}.audit.invocations"
    ).fetchall()
    if not finished:
        return ["the warehouse has no finished build"]
    ((stale,),) = connection.execute(
        f"select count(*) from {catalog}.audit.node_results where finished_at <= ?", [killed]
    ).fetchall()
    if stale:
        return [
            (
                f"the build of {killed:%Y-%m-%d %H:%M} UTC did not finish, "
                f"and {stale} models and tests have not been built since"
            )
        ]
    return []


def never_built(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """The tables for analysts that no build has tried yet, as after a partial build of an empty warehouse."""
    return _outcomes(connection, catalog, f"status = '{_NEVER_BUILT}'")


def failed_nodes(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """The models and tests whose latest outcome blocks a publish, as ``name: outcome``."""
    return _outcomes(connection, catalog, f"status not in {(*GOOD, _NEVER_BUILT)}")


def broken_identities(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """The sprints for which ``final = committed + added - removed + re-estimated`` is not exactly true."""
    if not _has(connection, catalog, "velocity", "sprint_velocity"):
        return []
    rows = connection.execute(
        f"select sprint_id from {catalog}.velocity.sprint_velocity where "
        "final_points is distinct from committed_points + added_points - removed_points + reestimated_points "
        "or final_issues is distinct from committed_issues + added_issues - removed_issues order by sprint_id"
    ).fetchall()
    return [f"velocity does not add up for sprint {sprint}" for (sprint,) in rows]


def last_built_at(connection: duckdb.DuckDBPyConnection, catalog: str) -> datetime | None:
    """When the newest build of the warehouse ended (UTC)."""
    row = connection.execute(f"select max(finished_at) from {catalog}.audit.invocations").fetchone()
    return row[0] if row else None


def _refusal(why: str, problems: list[str], next_step: str) -> ImpulsumError:
    more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return ImpulsumError(
        Category.BAD_DATA,
        f"Not published, {why}: {'; '.join(problems[:_NAMED])}{more}",
        safe="The published file is unchanged.",
        next_step=next_step,
    )


def _outcomes(connection: duckdb.DuckDBPyConnection, catalog: str, condition: str) -> list[str]:
    rows = connection.execute(
        f"select unique_id, status from {catalog}.audit.node_results where {condition} order by unique_id"
    ).fetchall()
    return [f"{_short(node)}: {status}" for node, status in rows]


def _short(unique_id: str) -> str:
    """The part of a dbt id that people know: ``unique_issues_id`` of ``test.impulsum.unique_issues_id.0a1b2c``."""
    return unique_id.split(".")[2] if unique_id.count(".") >= 2 else unique_id


def _has(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str, table: str) -> bool:
    row = connection.execute(
        "select count(*) from information_schema.tables "
        "where table_catalog = ? and table_schema = ? and table_name = ?",
        [catalog, schema, table],
    ).fetchone()
    return bool(row and row[0])
