"""The published velocity against the sandbox's own bookkeeping, sprint by sprint, exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from impulsum_pipelines_tests.velocity.warehouse import PROJECT

#: One process of dbt for several homes: starting and parsing cost more than building a small site.
BUILDS = """
import os, sys
from dbt.cli.main import dbtRunner
project, *homes = sys.argv[1:]
manifest = None
for home in homes:
    os.environ["IMPULSUM_HOME"] = home
    places = ["--project-dir", project, "--profiles-dir", project,
              "--target-path", f"{home}/target", "--log-path", f"{home}/logs"]
    manifest = manifest or dbtRunner().invoke(["parse", *places]).result
    done = dbtRunner(manifest=manifest).invoke(["run", "--select", "+sprint_velocity", *places])
    if not done.success:
        sys.exit(f"{home}: {done.exception or 'a model failed'}")
"""


def build_velocity(homes: Sequence[Path]) -> None:
    """Build ``velocity.sprint_velocity`` in the warehouse of each home, from what its raw files hold."""
    done = subprocess.run(
        [sys.executable, "-c", BUILDS, str(PROJECT), *map(str, homes)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def velocity(file: Path) -> dict[str, dict[str, Any]]:
    """The rows of ``velocity.sprint_velocity`` in a warehouse or a published file, by sprint."""
    with duckdb.connect(file, read_only=True) as connection:
        result = connection.execute("from velocity.sprint_velocity")
        columns = [column[0] for column in result.description]
        return {row[columns.index("sprint_id")]: dict(zip(columns, row, strict=True)) for row in result.fetchall()}


def differences(file: Path, truth: Mapping[str, Any]) -> dict[tuple[str, str], tuple[object, object]]:
    """(published, true) by sprint and column, where they differ. Without a column of the truth: KeyError."""
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
    """A number of any type as its decimal digits; nothing is rounded."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else value
