"""Compare the published velocity with the sandbox's own counts, sprint by sprint, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from impulsum_pipelines_tests.marts.velocity.warehouse import Dbt


@contextmanager
def velocity_builds() -> Iterator[Callable[[Path], None]]:
    """Yields a function that builds ``velocity.sprint_velocity`` in a home's warehouse from its raw file."""
    with Dbt() as dbt:
        yield lambda home: dbt.build(home, "run", "--select", "+sprint_velocity")


def velocity(file: Path) -> dict[str, dict[str, Any]]:
    """The rows of ``velocity.sprint_velocity`` in a warehouse or a published file, by sprint."""
    with duckdb.connect(file, read_only=True) as connection:
        result = connection.execute("from velocity.sprint_velocity")
        columns = [column[0] for column in result.description]
        return {row[columns.index("sprint_id")]: dict(zip(columns, row, strict=True)) for row in result.fetchall()}


def differences(file: Path, truth: Mapping[str, Any]) -> dict[tuple[str, str], tuple[object, object]]:
    """(published, true) by sprint and column, where they differ.

    Raises:
        KeyError: the published table lacks a column of the truth.
    """
    published = velocity(file)
    true = {sprint["sprint_id"]: sprint for sprint in truth["sprints"]}
    assert published.keys() == true.keys()
    return {
        (sprint_id, column): (published[sprint_id][column], value)
        for sprint_id, sprint in true.items()
        for column, value in sprint.items()
        if _exact(published[sprint_id][column]) != _exact(value)
    }


def _exact(value: object) -> object:
    """A number of any type as an exact decimal, not rounded; any other value unchanged."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else value
