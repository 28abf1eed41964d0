"""Real data, end to end: 22,371 issues of a real project, served over HTTP, pulled and built by the command line.

No expectation comes from the pipeline: each is counted here, directly from the lines of the export.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
import requests

from impulsum_pipelines.sandbox.server import env_of
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines_tests.places import SHARED

EXPORT = SHARED / "data" / "jira_titanium" / "issues.jsonl.gz"
ISSUES = 22_371
REQUESTS_OF_A_QUIET_SYNC = 10
PEAK_MB = 500

pytestmark = [
    pytest.mark.skipif(not EXPORT.exists(), reason="the export is not in ../shared/data"),
    pytest.mark.exhaustive,
    pytest.mark.xdist_group("titanium"),  # one pull for the whole file, in one worker
]

#: Runs the command line and writes its peak memory to a file. It is a separate process because a child process is
#: charged with the memory of its parent, and that of pytest must not count.
LAUNCHER = """
import pathlib, resource, subprocess, sys
from impulsum_pipelines_tests.places import SHARED
code = subprocess.call([sys.executable, "-c", "from impulsum_pipelines.cli import main; main()", *sys.argv[2:]])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
pathlib.Path(sys.argv[1]).write_text(str(peak))
sys.exit(code)
"""


@dataclass
class Export:
    """The counts of the export, from its lines."""

    issues: int = 0
    sprints: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Completed issues by closed sprint.
    completed: Counter[str] = field(default_factory=Counter)
    #: How many of these are done without a resolution.
    never_resolved: int = 0


@dataclass
class Sync:
    """One ``impulsum sync jira``: its row in ``syncs``, the requests to the site, its peak memory, and the tables."""

    row: dict[str, Any]
    requests: dict[str, int]
    peak_mb: float
    contents: dict[str, tuple[Any, ...]]


class Shell:
    """The command line with its own home, and a site to pull."""

    def __init__(self, folder: Path, url: str) -> None:
        self.home = folder / "home"
        self._url = url
        self._peak = folder / "peak"
        own = ("IMPULSUM_", "JIRA_", "DAGSTER_", "DLT_", "DBT_")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(own)} | {
            "IMPULSUM_HOME": str(self.home),
            "DLT_DATA_DIR": str(folder / "dlt"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            **env_of(url),
        }

    def impulsum(self, *arguments: str) -> dict[str, Any]:
        """Run a command that must succeed; returns its JSON output."""
        done = subprocess.run(
            [sys.executable, "-c", LAUNCHER, str(self._peak), *arguments, "--json"],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    def sync(self, *arguments: str) -> Sync:
        self._requests()
        (row,) = self.impulsum("sync", "jira", *arguments)["syncs"]
        return Sync(row, self._requests(), int(self._peak.read_text()) / 1024, self._contents())

    def query(self, file: str, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.home / file, read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def _requests(self) -> dict[str, int]:
        """The requests to the site since the last call, by path."""
        counted = requests.post(f"{self._url}/_sandbox/stats", json={"reset": True}, timeout=60).json()
        by_path: dict[str, int] = counted["by_path"]
        return by_path

    def _contents(self) -> dict[str, tuple[Any, ...]]:
        """The number of rows of each table, and a checksum of all their values, metadata columns included."""
        return {
            table.name: self.query("raw/jira.duckdb", f"select count(*), sum(hash(t)) from raw.{table.name} as t")[0]
            for table in tables("jira")
        }


@contextmanager
def _sandbox() -> Iterator[str]:
    command = [sys.executable, "-m", "impulsum_pipelines.sandbox", "--port", "0", "--jira-export", str(EXPORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found
            yield found[0]
        finally:
            process.terminate()


@dataclass
class Pulled:
    """A home that was pulled and built, pulled again, and pulled with a census."""

    shell: Shell
    first: Sync
    quiet: Sync
    census: Sync


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulled]:
    with _sandbox() as url:
        shell = Shell(tmp_path_factory.mktemp("titanium"), url)
        first, quiet, census = shell.sync(), shell.sync(), shell.sync("--census")
        shell.impulsum("build")
        yield Pulled(shell, first, quiet, census)


@pytest.fixture(scope="module")
def export() -> Export:
    """The export, counted line by line.

    An issue is completed in a closed sprint that it names when it is no sub-task, is done now, and became done after
    the sprint's actual start and not after its actual end. There are no changelogs, so an issue became done when it was
    resolved; one that is done without a resolution counts as done since it was created.
    """
    counted = Export()
    with gzip.open(EXPORT) as lines:
        for line in lines:
            fields = orjson.loads(line)["fields"]
            counted.issues += 1
            named = [*(fields.get("closedSprints") or ()), *([fields["sprint"]] if fields.get("sprint") else ())]
            counted.sprints |= {str(sprint["id"]): sprint for sprint in named}
            if fields["issuetype"]["subtask"] or fields["status"]["statusCategory"]["key"] != "done":
                continue
            resolved = fields.get("resolutiondate")
            done_since = datetime.fromisoformat(resolved or fields["created"])
            for sprint in named:
                if sprint["state"].lower() == "closed" and _started(sprint) < done_since <= _ended(sprint):
                    counted.completed[str(sprint["id"])] += 1
                    counted.never_resolved += not resolved
    return counted


def _started(sprint: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(sprint["startDate"])


def _ended(sprint: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(sprint.get("completeDate") or sprint["endDate"])


def test_every_issue_is_stored(pulled: Pulled, export: Export) -> None:
    assert export.issues == ISSUES
    assert pulled.first.row["rows"]["issues"] == {
        "new": ISSUES, "changed": 0, "unchanged": 0, "deleted": 0, "unreachable": 0,
    }  # fmt: skip
    alive = "select count(*) from raw.issues where deleted_at is null and unreachable_since is null"
    assert pulled.shell.query("raw/jira.duckdb", alive) == [(ISSUES,)]


def test_a_census_finds_every_issue_stored(pulled: Pulled) -> None:
    counts = pulled.shell.query(
        "raw/jira.duckdb",
        "select scope_name, at_source, held, missing, deleted, unreachable from raw.census order by taken_at",
    )
    assert counts == [("TIMOB", ISSUES, ISSUES, ISSUES, 0, 0), ("TIMOB", ISSUES, ISSUES, 0, 0, 0)]
    published = "select scope_name, at_source, held, difference, why from quality.completeness"
    assert pulled.shell.query("impulsum.duckdb", published) == [("TIMOB", ISSUES, ISSUES, 0, "complete")]


def test_every_sprint_that_an_issue_names_is_stored(pulled: Pulled, export: Export) -> None:
    stored = pulled.shell.query("raw/jira.duckdb", "select id, state from raw.sprints where deleted_at is null")
    assert dict(stored) == {sprint_id: sprint["state"].lower() for sprint_id, sprint in export.sprints.items()}
    orphans = [sprint for sprint in export.sprints.values() if "originBoardId" not in sprint]
    assert orphans, "no sprint is known from issues only"


def test_completed_issues_of_every_closed_sprint(pulled: Pulled, export: Export) -> None:
    published = dict(
        pulled.shell.query(
            "impulsum.duckdb",
            "select sprint_id, completed_issues from velocity.sprint_velocity where state = 'closed'",
        )
    )
    closed = [sprint_id for sprint_id, sprint in export.sprints.items() if sprint["state"].lower() == "closed"]
    assert published == {sprint_id: export.completed[sprint_id] for sprint_id in closed}
    assert (len(published), sum(published.values()), export.never_resolved) == (329, 3748, 20)


def test_a_second_sync_changes_no_row(pulled: Pulled) -> None:
    assert {
        table: counts for table, counts in pulled.quiet.row["rows"].items()
        if counts["new"] or counts["changed"] or counts["deleted"] or counts["unreachable"]
    } == {}  # fmt: skip
    assert pulled.quiet.contents == pulled.first.contents
    assert pulled.census.contents == pulled.first.contents


def test_a_second_sync_makes_few_requests(pulled: Pulled) -> None:
    assert pulled.quiet.row["requests"] == sum(pulled.quiet.requests.values())
    assert sum(pulled.quiet.requests.values()) <= REQUESTS_OF_A_QUIET_SYNC, pulled.quiet.requests


def test_a_sync_needs_little_memory(pulled: Pulled) -> None:
    peaks = [round(sync.peak_mb) for sync in (pulled.first, pulled.quiet, pulled.census)]
    assert max(peaks) < PEAK_MB, f"MB of the first, the quiet and the census sync: {peaks}"
