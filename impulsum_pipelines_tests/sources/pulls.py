"""Pulls of one source through the public door, what is held afterwards, and how that differs from the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.result import LoadResult
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.registry import tables

#: Columns that say when and by what a row was read, not what it is.
BOOKKEEPING = {"sync_id", "extracted_at", "site"}

#: A service's truth: by raw table and id, the columns that a row must have and their values.
Truth = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Score:
    """How one table ended, beside the source.

    Args:
        table: the raw table.
        at_source: records that the source has.
        held: those of them that are held and alive.
        wrong: those of them of which a column is not as at the source.
        gone: records that were once held and that the source has no more.
        gone_known: those of them that are marked deleted or out of sight.
    """

    table: str
    at_source: int
    held: int
    wrong: int
    gone: int
    gone_known: int

    @property
    def is_perfect(self) -> bool:
        """100 % held, nothing wrong, 100 % of what is gone known."""
        return self.held == self.at_source and not self.wrong and self.gone_known == self.gone


def as_table(scores: Sequence[Score]) -> str:
    """The scores as people read them."""
    lines = [f"{'table':24}{'at source':>10}{'held':>10}{'wrong':>8}{'gone':>8}{'known':>8}"]
    lines += [f"{s.table:24}{s.at_source:10}{s.held:10}{s.wrong:8}{s.gone:8}{s.gone_known:8}" for s in scores]
    return "\n".join(lines)


class Pulls:
    """One source, with the settings of the environment."""

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
        """Asks the raw file; for many questions at once, since opening it takes longer than any of them."""
        with Home.of(load_settings()).read_raw(self.source) as connection:
            assert connection is not None
            yield lambda sql, *parameters: connection.execute(sql, list(parameters)).fetchall()

    def one(self, sql: str, *parameters: object) -> Any:
        """The only value of the only row of a query."""
        ((value,),) = self.held(sql, *parameters)
        return value

    def alive(self, table: str) -> set[str]:
        """Ids held that are neither deleted nor unreachable."""
        return {row_id for (row_id,) in self.held(f"select id from raw.{table} where {ALIVE}")}

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, without the bookkeeping: equal for two ways to the same state."""
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
        """How each table ended; printed as well, for `pytest -rP`."""
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
        """Assert the table: everything held, nothing wrong, everything gone known, and something was gone at all."""
        scores = self.scores(truth)
        assert all(score.is_perfect for score in scores), as_table(scores)
        assert sum(score.at_source for score in scores) > 0
        assert sum(score.gone for score in scores) > 0, "the month deleted nothing"

    def differences(self, truth: Truth) -> dict[str, dict[str, Any]]:
        """By table what is missing, what is held too much, and what is held wrong (held, true); empty when right.

        Times of the truth are ISO 8601 text or epoch milliseconds; those held are compared as instants. Days are text.
        """
        found: dict[str, dict[str, Any]] = {}
        with self._open() as query:
            for table, true in truth.items():
                columns = sorted({name for row in true.values() for name in row})
                chosen = "".join(f", {name}" for name in columns)
                held = {row[0]: row[1:] for row in query(f"select id{chosen} from raw.{table} where {ALIVE}")}
                wrong = {
                    (row_id, name): (value, row[name])
                    for row_id, row in true.items()
                    if row_id in held
                    for name, value in zip(columns, held[row_id], strict=True)
                    if name in row and not _same(value, row[name])
                }
                difference = {
                    "missing": sorted(true.keys() - held.keys()),
                    "surplus": sorted(held.keys() - true.keys()),
                }
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
