"""Pulls of one source through the public door, what is held afterwards, and how that differs from the truth."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from impulsum_pipelines.files import Home
from impulsum_pipelines.loading.run_load import LoadResult, run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.registry import tables

#: Columns that say when and by what a row was read, not what it is.
BOOKKEEPING = {"sync_id", "extracted_at", "site"}

_ALIVE = "deleted_at is null and unreachable_since is null"

#: A service's truth: by raw table and id, the columns that a row must have and their values.
Truth = Mapping[str, Mapping[str, Mapping[str, Any]]]


class Pulls:
    """One source, with the settings of the environment."""

    def __init__(self, source: str) -> None:
        self.source = source

    def sync(self, **arguments: Any) -> LoadResult:
        """Pull it."""
        return run_load(self.source, load_settings(), **arguments)

    def held(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a query over its raw file."""
        with Home.of(load_settings()).read_raw(self.source) as connection:
            assert connection is not None
            return connection.execute(sql, list(parameters)).fetchall()

    def one(self, sql: str, *parameters: object) -> Any:
        """The only value of the only row of a query."""
        ((value,),) = self.held(sql, *parameters)
        return value

    def alive(self, table: str) -> set[str]:
        """Ids held that are neither deleted nor unreachable."""
        return {row_id for (row_id,) in self.held(f"select id from raw.{table} where {_ALIVE}")}

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, without the bookkeeping: equal for two ways to the same state."""
        found = {}
        for table in tables(self.source):
            columns = ", ".join(
                "deleted_at is not null" if c.name == "deleted_at"
                else "unreachable_since is not null" if c.name == "unreachable_since"
                else c.name
                for c in table.all_columns
                if c.name not in BOOKKEEPING
            )  # fmt: skip
            found[table.name] = self.held(f"select {columns} from raw.{table.name} order by id")
        return found

    def differences(self, truth: Truth) -> dict[str, dict[str, Any]]:
        """By table what is missing, what is held too much, and what is held wrong (held, true); empty when right.

        Times of the truth are ISO 8601 text or epoch milliseconds; those held are compared as instants. Days are text.
        """
        found: dict[str, dict[str, Any]] = {}
        for table, true in truth.items():
            columns = sorted({name for row in true.values() for name in row})
            chosen = "".join(f", {name}" for name in columns)
            held = {row[0]: row[1:] for row in self.held(f"select id{chosen} from raw.{table} where {_ALIVE}")}
            wrong = {
                (row_id, name): (value, row[name])
                for row_id, row in true.items()
                if row_id in held
                for name, value in zip(columns, held[row_id], strict=True)
                if name in row and not _same(value, row[name])
            }
            difference = {"missing": sorted(true.keys() - held.keys()), "surplus": sorted(held.keys() - true.keys())}
            kept = {name: ids for name, ids in (difference | {"wrong": wrong}).items() if ids}
            if kept:
                found[table] = kept
        return found


def _same(held: Any, true: Any) -> bool:
    if isinstance(held, datetime) and isinstance(true, int | float):
        return held == datetime.fromtimestamp(true / 1000, UTC)
    if isinstance(held, datetime) and isinstance(true, str):
        return held == datetime.fromisoformat(true)
    if isinstance(held, date) and isinstance(true, str):
        return held == date.fromisoformat(true)
    return bool(held == true)
