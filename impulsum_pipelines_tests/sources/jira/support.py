"""A sync through the public door, and what is held afterwards."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.files import Home
from impulsum_pipelines.loading.run_load import LoadResult, run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.registry import tables

#: Columns that say when and by what a row was read, not what it is.
BOOKKEEPING = {"sync_id", "extracted_at", "site"}


def sync(**arguments: Any) -> LoadResult:
    """Pull Jira with the settings of the environment."""
    return run_load("jira", load_settings(), **arguments)


def held(sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Rows of a query over ``raw/jira.duckdb``."""
    with Home.of(load_settings()).read_raw("jira") as connection:
        assert connection is not None
        return connection.execute(sql, list(parameters)).fetchall()


def one(sql: str, *parameters: object) -> Any:
    """The only value of the only row of a query."""
    ((value,),) = held(sql, *parameters)
    return value


def alive(table: str) -> set[str]:
    """Ids held that are neither deleted nor unreachable."""
    return {i for (i,) in held(f"select id from raw.{table} where deleted_at is null and unreachable_since is null")}


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without the bookkeeping: equal for two ways to the same state."""
    found = {}
    for table in tables("jira"):
        columns = ", ".join(
            "deleted_at is not null" if c.name == "deleted_at"
            else "unreachable_since is not null" if c.name == "unreachable_since"
            else c.name
            for c in table.all_columns
            if c.name not in BOOKKEEPING
        )  # fmt: skip
        found[table.name] = held(f"select {columns} from raw.{table.name} order by id")
    return found
