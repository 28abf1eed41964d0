"""Pulls one source as users do, queries what is stored afterwards, and compares it with the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import duckdb

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.result import LoadResult
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.registry import tables

#: Columns about the read of a row, not about the row.
BOOKKEEPING = {"sync_id", "extracted_at", "site"}

#: A service's truth: by raw table and id, the columns that a row must have and their values.
Truth = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Score:
    """How one table ended, compared with the source.

    Args:
        table: the raw table.
        at_source: records that the source has.
        held: those of them that are stored and alive.
        wrong: those of them with a column that differs from the source.
        gone: stored rows whose record the source no longer has.
        gone_known: those of them that are marked deleted or unreachable.
    """

    table: str
    at_source: int
    held: int
    wrong: int
    gone: int
    gone_known: int

    @property
    def is_perfect(self) -> bool:
        """100 % stored, nothing wrong, 100 % of the gone rows marked."""
        return self.held == self.at_source and not self.wrong and self.gone_known == self.gone


def as_table(scores: Sequence[Score]) -> str:
    """The scores as a text table."""
    lines = [f"{'table':24}{'at source':>10}{'held':>10}{'wrong':>8}{'gone':>8}{'known':>8}"]
    lines += [f"{s.table:24}{s.at_source:10}{s.held:10}{s.wrong:8}{s.gone:8}{s.gone_known:8}" for s in scores]
    return "\n".join(lines)


class Pulls:
    """Pulls and queries one source, with the settings of the environment."""

    def __init__(self, source: str) -> None:
        self.source = source

    def sync(self, **arguments: Any) -> LoadResult:
        """Pull it."""
        return run_load(self.source, load_settings(), **arguments)

    def held(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a query over its raw file."""
        with self._open() as query:
            return query(sql, *parameters)

    @contextmanager
    def _open(self) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        """Query the raw file, under its read lock.

        It is attached to one database of all tests: to start DuckDB takes ten times longer than that and a query.
        """
        home, database = Home.of(load_settings()), _database()
        with home.reading(self.source):
            database.execute(f"attach '{home.raw(self.source)}' as pulled (read_only); use pulled")
            try:
                yield lambda sql, *parameters: database.execute(sql, list(parameters)).fetchall()
            finally:
                database.execute("use memory; detach pulled")

    def tables_with(self, text: str) -> set[str]:
        """Names of the tables of which a row contains this text."""
        with self._open() as query:
            names = query("select table_name from information_schema.tables where table_schema = 'raw'")
            found = "select count(*) from raw.{} t where contains(cast(t as varchar), ?)"
            return {name for (name,) in names if query(found.format(name), text) != [(0,)]}

    def one(self, sql: str, *parameters: object) -> Any:
        """The only value of the only row of a query."""
        ((value,),) = self.held(sql, *parameters)
        return value

    def alive(self, table: str) -> set[str]:
        """Ids of the stored rows that are neither deleted nor unreachable."""
        return {row_id for (row_id,) in self.held(f"select id from raw.{table} where {ALIVE}")}

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, without the columns about its read: equal for two ways to the same state."""
        found = {}
        with self._open() as query:
            for table in tables(self.source):
                columns = ", ".join(
                    "deleted_at is not null" if c.name == "deleted_at"
                    else "unreachable_since is not null" if c.name == "unreachable_since"
                    else c.name
                    for c in table.all_columns
                    if c.name not in BOOKKEEPING
                )  # fmt: skip
                found[table.name] = query(f"select {columns} from raw.{table.name} order by id")
        return found

    def scores(self, truth: Truth) -> list[Score]:
        """How each table ended; also printed, for `pytest -rP`."""
        differences = self.differences(truth)
        scores = []
        for table, true in truth.items():
            found = differences.get(table, {})
            every = {row_id for (row_id,) in self.held(f"select id from raw.{table}")}
            gone = every - true.keys()
            scores.append(
                Score(
                    table,
                    at_source=len(true),
                    held=len(true) - len(found.get("missing", ())),
                    wrong=len({row_id for row_id, _ in found.get("wrong", ())}),
                    gone=len(gone),
                    gone_known=len(gone - self.alive(table)),
                )
            )
        print(f"{self.source}\n{as_table(scores)}")  # noqa: T201
        return scores

    def prove(self, truth: Truth) -> None:
        """Assert perfect scores: everything stored, nothing wrong, all gone rows marked, and at least one row gone."""
        scores = self.scores(truth)
        assert all(score.is_perfect for score in scores), as_table(scores)
        assert sum(score.at_source for score in scores) > 0
        assert sum(score.gone for score in scores) > 0, "the month deleted nothing"

    def differences(self, truth: Truth) -> dict[str, dict[str, Any]]:
        """By table: missing ids, surplus ids, and wrong columns as (stored, true); empty when all rows are right.

        Times of the truth are ISO 8601 text or epoch milliseconds, and are compared as instants. Days are text.
        """
        found: dict[str, dict[str, Any]] = {}
        with self._open() as query:
            for table, true in truth.items():
                columns = sorted({name for row in true.values() for name in row})
                chosen = "".join(f", {name}" for name in columns)
                stored = {row[0]: row[1:] for row in query(f"select id{chosen} from raw.{table} where {ALIVE}")}
                wrong = {
                    (row_id, name): (value, row[name])
                    for row_id, row in true.items()
                    if row_id in stored
                    for name, value in zip(columns, stored[row_id], strict=True)
                    if name in row and not _same(value, row[name])
                }
                difference = {
                    "missing": sorted(true.keys() - stored.keys()),
                    "surplus": sorted(stored.keys() - true.keys()),
                }
                kept = {name: ids for name, ids in (difference | {"wrong": wrong}).items() if ids}
                if kept:
                    found[table] = kept
        return found


@cache
def _database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute("set TimeZone = 'UTC'")
    return database


def _same(stored: Any, true: Any) -> bool:
    if isinstance(stored, datetime) and isinstance(true, int | float):
        return stored == datetime.fromtimestamp(true / 1000, UTC)
    if isinstance(stored, datetime) and isinstance(true, str):
        return stored == datetime.fromisoformat(true)
    if isinstance(stored, date) and isinstance(true, str):
        return stored == date.fromisoformat(true)
    return bool(stored == true)
