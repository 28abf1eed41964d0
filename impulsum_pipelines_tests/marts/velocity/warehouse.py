"""Runs the dbt project as the pipeline does: in a separate process, on a separate home."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import duckdb

from impulsum_pipelines.base.home import Home, fetch_dicts
from impulsum_pipelines.loading.raw import ensure_tables
from impulsum_pipelines.marts.manifest import COPIES, PARSED, PATHS, PROJECT, manifest_text, parsed_folder
from impulsum_pipelines.tiers import SOURCES

#: The marts on Jira, and what they read; completeness reads the metadata tables of every source.
OF_JIRA = (
    "--select",
    *("+sprint_scope_changes", "+weekly", "+trends"),
    *("+issues", "+sprints", "+completeness"),
)

#: A build of models and their data tests. Unit tests, and the tests of raw tables, run once: with the firm.
MODELS = ("build", "--exclude-resource-type", "unit_test", "--exclude", "source:*")

#: Runs the command of each line of its input, and answers with one line.
_PROGRAM = """
import json, os, sys
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for asked in map(json.loads, sys.stdin):
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    done = dbtRunner().invoke(asked["arguments"])
    DuckDBConnectionManager.close_all_connections()  # dbt keeps its files open to the end of the process
    results = {r.node.unique_id: [r.status, r.message] for r in getattr(done.result, "results", ())}
    answer = {"succeeded": done.success, "error": str(done.exception or ""), "results": results}
    print(json.dumps(answer), file=answers, flush=True)
"""


class Done(NamedTuple):
    """How a command of dbt ended.

    Args:
        succeeded: whether dbt says so.
        error: why it could not run at all; empty when it ran.
        results: status and message of each model and test, by its name in dbt.
    """

    succeeded: bool
    error: str
    results: dict[str, tuple[str, str | None]]


class Dbt:
    """A process that runs one command after the other: dbt takes longer to start than most of them take.

    It writes no log, for which dbt would take a quarter of the time.
    """

    def __enter__(self) -> Dbt:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, home: Path, *arguments: str, **settings: str) -> Done:
        """Run one command on a home; the caller checks how it ended.

        The paths are those of a build, so that a new home can start from the parsed project, which saves seconds.
        """
        _prepare(home)
        options = [
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(home / "target")),
            *("--log-path", str(home), "--log-level", "none", "--log-level-file", "none", "--no-write-json"),
        ]
        environment = {
            **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
            **PATHS,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_INDIRECT_SELECTION": "cautious",  # skip a test that also needs a model that is not selected
            **settings,
        }
        asked = {"folder": str(home), "environment": environment, "arguments": [*arguments, *options]}
        assert self._process.stdin and self._process.stdout
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return Done(**json.loads(self._process.stdout.readline()))

    def build(self, home: Path, *arguments: str, **settings: str) -> None:
        """Run one command that must succeed, such as ``build`` or ``run``."""
        done = self.run(home, *arguments, **settings)
        failed = {name: result for name, result in done.results.items() if result[0] not in {"success", "pass"}}
        assert done.succeeded, (done.error, failed)


def every_raw_file(home: Path) -> None:
    """Create the missing raw files, empty: dbt attaches those of all sources."""
    for source in SOURCES:
        ensure_tables(Home(home), source.name)


def _prepare(home: Path) -> None:
    """Put what a build finds into a home: all raw files, where it reads them, and the parsed project."""
    every_raw_file(home)
    if not (home / COPIES).exists():
        (home / COPIES).parent.mkdir(exist_ok=True)
        (home / COPIES).symlink_to(Path("..", "raw"))
    if not (home / "target").exists():
        manifest_text()
        (home / "target").mkdir()
        shutil.copy(parsed_folder() / PARSED, home / "target")


def query(home: Path, sql: str) -> list[dict[str, Any]]:
    """Rows of the warehouse as dictionaries, times in UTC."""
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as warehouse:
        warehouse.execute("set TimeZone = 'UTC'")
        return fetch_dicts(warehouse.execute(sql))
