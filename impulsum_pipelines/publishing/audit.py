"""The last look before data reaches analysts: was the build finished, and did every check pass?

dbt's own run already stops at a failed test. This audit does not rely on it: it reads the outcome of each model and
test that the build wrote down (``audit.invocations``, ``audit.node_results``), so a build that was killed, ran partly
or was started by hand is judged alike, and it recomputes the identity of velocity from the table itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from impulsum_pipelines.errors import Category, ImpulsumError

if TYPE_CHECKING:
    import duckdb

#: Outcomes of a node that do not stand in the way. A warning is for people, not for the gate.
GOOD = ("success", "pass", "warn", "no-op")

#: Written by dbt's hook for a mart that has no outcome yet.
_NEVER_BUILT = "never built"

#: How many failed checks a message names.
_NAMED = 5


def audit(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Refuse the warehouse attached as ``catalog`` unless its build is finished and every check passed.

    Raises:
        ImpulsumError: of category *bad data*, naming what failed.
    """
    if missing := unfinished_builds(connection, catalog) or never_built(connection, catalog):
        raise _refusal("the build is not whole", missing, "run `impulsum build`, which builds every table.")
    if failed := failed_nodes(connection, catalog) + broken_identities(connection, catalog):
        raise _refusal(
            "the checks failed",
            failed,
            "look at the failed checks (`make dev`, or the dbt log), correct the cause, then run `impulsum build`.",
        )


def unfinished_builds(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """Why the warehouse is not one finished build: none ever ended, or one was killed and not made up for.

    A killed build leaves models of two moments side by side. It is made up for when each model and test has been
    built again since; a later build of a few of them is not enough.
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
    """The tables for analysts that no build has tried yet, as when one of a part began an empty warehouse."""
    return _outcomes(connection, catalog, f"status = '{_NEVER_BUILT}'")


def failed_nodes(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """The models and tests whose latest outcome is not good, as ``name: outcome``."""
    return _outcomes(connection, catalog, f"status not in {(*GOOD, _NEVER_BUILT)}")


def broken_identities(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """The sprints for which ``final = committed + added - removed + re-estimated`` does not hold, exactly."""
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
        safe="The published file is the one that stood before.",
        next_step=next_step,
    )


def _outcomes(connection: duckdb.DuckDBPyConnection, catalog: str, condition: str) -> list[str]:
    rows = connection.execute(
        f"select unique_id, status from {catalog}.audit.node_results where {condition} order by unique_id"
    ).fetchall()
    return [f"{_short(node)}: {status}" for node, status in rows]


def _short(unique_id: str) -> str:
    """``test.impulsum.unique_issues_id.0a1b2c`` is known to people as ``unique_issues_id``."""
    return unique_id.split(".")[2] if unique_id.count(".") >= 2 else unique_id


def _has(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str, table: str) -> bool:
    row = connection.execute(
        "select count(*) from information_schema.tables "
        "where table_catalog = ? and table_schema = ? and table_name = ?",
        [catalog, schema, table],
    ).fetchone()
    return bool(row and row[0])
