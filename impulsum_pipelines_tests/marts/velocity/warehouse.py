"""Runs the dbt project as the pipeline does: in a separate process, on a separate home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def every_raw_file(home: Path) -> None:
    """Create the missing raw files, empty: dbt attaches those of all sources."""
    for source in SOURCES:
        ensure_tables(Home(home), source.name)


def run_dbt(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run one dbt command on a home; the caller checks its exit code.

    The paths are those of a build, so that a new home can start from the parsed project, which saves seconds.
    """
    every_raw_file(home)
    if not (home / COPIES).exists():
        (home / COPIES).parent.mkdir(exist_ok=True)
        (home / COPIES).symlink_to(Path("..", "raw"))
    if not (home / "target").exists():
        manifest_text()
        (home / "target").mkdir()
        shutil.copy(parsed_folder() / PARSED, home / "target")
    own = {
        **PATHS,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_INDIRECT_SELECTION": "cautious",  # skip a test that also needs a model that is not selected
    }
    return subprocess.run(
        [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *arguments,
         "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT),
         "--target-path", str(home / "target"), "--log-path", str(home / "logs")],
        cwd=home, env=os.environ | own | settings,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def build(home: Path, command: str = "run", *arguments: str, **settings: str) -> None:
    """Run one dbt command that must succeed."""
    done = run_dbt(home, command, *arguments, **settings)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def query(home: Path, sql: str) -> list[dict[str, Any]]:
    """Rows of the warehouse as dictionaries, times in UTC."""
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as warehouse:
        warehouse.execute("set TimeZone = 'UTC'")
        return fetch_dicts(warehouse.execute(sql))
