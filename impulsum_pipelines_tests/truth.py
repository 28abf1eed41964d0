"""Compare the published velocity with the sandbox's own counts, sprint by sprint, exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from impulsum_pipelines_tests.marts.velocity.warehouse import PROJECT, every_raw_file

#: A program that builds the home named by each line of its input, and answers with one line. One process builds many
#: homes, because starting dbt and parsing the project cost more than building a small site.
BUILDS = """
import os, sys
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
project, manifest = sys.argv[1], None
for home in map(str.strip, sys.stdin):
    os.environ["IMPULSUM_HOME"] = home
    places = ["--project-dir", project, "--profiles-dir", project,
              "--target-path", f"{home}/target", "--log-path", f"{home}/logs"]
    manifest = manifest or dbtRunner().invoke(["parse", *places]).result
    done = dbtRunner(manifest=manifest).invoke(["run", "--select", "+sprint_velocity", *places])
    DuckDBConnectionManager.close_all_connections()  # dbt keeps its files open to the end of the process
    failed = [f"{r.node.name}: {r.message}" for r in done.result or () if r.status not in ("success", "skipped")]
    print("built" if done.success else repr((home, done.exception, failed)), file=answers, flush=True)
"""


@contextmanager
def velocity_builds() -> Iterator[Callable[[Path], None]]:
    """Yields a function that builds ``velocity.sprint_velocity`` in a home's warehouse from its raw file."""
    with subprocess.Popen(
        [sys.executable, "-c", BUILDS, str(PROJECT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    ) as process:

        def build(home: Path) -> None:
            every_raw_file(home)
            assert process.stdin and process.stdout
            print(home, file=process.stdin, flush=True)
            answer = process.stdout.readline().strip()
            assert answer == "built", answer

        yield build


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
