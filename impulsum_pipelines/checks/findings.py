"""What a check is: a question about a raw file, and the finding that answers it with numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg

from impulsum_pipelines.base.home import fetch_dicts
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import Source

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Raw:
    """What a check may read.

    Args:
        connection: the source's raw file, read-only.
        source: the source.
        settings: the settings of the run.
        now: the instant of the check, UTC.
    """

    connection: duckdb.DuckDBPyConnection
    source: Source
    settings: Settings
    now: datetime

    def rows(self, sql: str, parameters: list[object] | None = None) -> list[dict[str, Any]]:
        """The rows of a query, each as column name to value."""
        return fetch_dicts(self.connection.execute(sql, parameters or []))


@dataclass(frozen=True)
class Finding:
    """The answer of a check.

    Args:
        passed: True when all is well.
        text: the answer for the person who reads the check's page: what was compared, and what to do next.
        serious: a failed check is an error; False makes it a warning.
        numbers: the metadata that the sentence rests on.
    """

    passed: bool
    text: str
    serious: bool = True
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One asset check of a raw table.

    Args:
        name: name of the check.
        table: the raw table whose asset it belongs to.
        description: what is true when it passes, and what is wrong when it does not.
        evaluate: answers it.
        blocking: a serious failure stops the marts in the same run.
    """

    name: str
    table: str
    description: str
    evaluate: Callable[[Raw], Finding]
    blocking: bool = False

    def spec(self, source: str) -> dg.AssetCheckSpec:
        """The check as Dagster declares it."""
        return dg.AssetCheckSpec(
            self.name, asset=[source, self.table], description=self.description, blocking=self.blocking
        )


class Agreement(NamedTuple):
    """How the source's count and ours agree.

    Args:
        is_exact: they are the same.
        is_serious: they differ by more than 5 and by more than 1 %. A source changes while it is counted, so a smaller
            difference is a warning that the next pull settles.
    """

    is_exact: bool
    is_serious: bool

    @classmethod
    def of(cls, at_source: int, stored: int) -> Agreement:
        """Compare two counts."""
        difference = abs(at_source - stored)
        return cls(difference == 0, difference > max(5, at_source / 100))


def table_of(rows: list[dict[str, Any]]) -> dg.MetadataValue:
    """At most 50 rows as a table in the UI."""
    if not rows:
        return dg.MetadataValue.text("none")
    return dg.MetadataValue.table(
        [
            dg.TableRecord({name: value if isinstance(value, int) else str(value) for name, value in row.items()})
            for row in rows[:50]
        ]
    )


def timestamp(value: datetime | None) -> dg.MetadataValue:
    """A time in the UI, or nothing."""
    return dg.MetadataValue.timestamp(value) if value else dg.MetadataValue.null()
