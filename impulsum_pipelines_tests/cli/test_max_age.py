"""``--max-age``: older sources are pulled and built first; when a source is down, the stored data is shown.

Pulls are real. A fake build replaces dbt and takes moments; it publishes which sync its data comes from.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.cli import main, max_age
from impulsum_pipelines.cli.runs import RunReport, run_job
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.publishing.publish import publish
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.publishing import warehouse

QUESTION = "select count(*) as issues from core.issues"


class Shell:
    """Runs the command line in this process, and remembers the jobs that it ran."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.jobs: list[str] = []
        self.broken = False
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self.jobs.clear()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        out, err = self._capsys.readouterr()
        return int(left.value.code or 0), out, " ".join(err.split())

    def run(self, name: str, settings: Any, **options: Any) -> RunReport:
        self.jobs.append(name)
        if name != "build":
            return run_job(name, settings, **options)
        if self.broken:
            raise ImpulsumError(Category.INTERNAL, "1 of 9 dbt models failed", next_step="read the log.")
        home = Home.of(settings)
        with home.read_raw("jira") as raw:
            assert raw is not None
            [(issues, ended)] = raw.execute(
                "select (select count(*) from raw.issues), max(finished_at) from raw.syncs where status = 'done'"
            ).fetchall()
        warehouse.build(home.root, rows=issues)
        with connect(home.warehouse, read_only=False) as built:
            built.execute("create schema if not exists quality")
            built.execute(
                "create or replace table quality.freshness as "
                "select 'jira' as source, $1::timestamptz as last_done_at, $1::timestamptz as read_until",
                [ended],
            )
        publish(settings)
        return RunReport("built")


@pytest.fixture
def impulsum(quick_runs: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell(capsys)
    monkeypatch.setattr(max_age, "run_job", shell.run)
    monkeypatch.setattr(http, "BACKOFF", 0)
    return shell


@pytest.fixture
def site(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A Jira site, and no other source."""
    started = sandbox(seed=3, issues=12)
    for name in started.env:
        if not name.startswith("JIRA_"):
            monkeypatch.delenv(name)
    return started


def hours_pass() -> None:
    """Make the stored and the published data 3 h 12 min older."""
    home, ago = Home.of(load_settings()), "interval '3 hours 12 minutes 30 seconds'"
    with home.write_raw("jira") as raw:
        raw.execute(f"update raw.syncs set started_at = started_at - {ago}, finished_at = finished_at - {ago}")
    with connect(home.warehouse, read_only=False) as built:
        built.execute(f"update quality.freshness set last_done_at = last_done_at - {ago}")
    publish(load_settings())


def test_only_an_older_source_is_pulled_and_only_changes_are_built(impulsum: Shell, site: Running) -> None:
    code, out, err = impulsum("status", "--max-age", "2h", "--json")
    assert (code, impulsum.jobs) == (0, ["jira_sync", "build"]), err
    answer = json.loads(out)
    assert answer["refreshed"]["jira"]["pulled"] and 0 <= answer["refreshed"]["jira"]["age_seconds"] < 120
    assert answer["sources"]["jira"]["rows"]["issues"] == 12
    assert "Pulling Jira: it was never pulled." in err

    code, out, _ = impulsum("sql", QUESTION, "--max-age", "2h")
    assert (code, impulsum.jobs) == (0, []), "young enough"

    hours_pass()
    code, out, err = impulsum("sql", QUESTION, "--max-age", "2h", "--json")
    assert (code, impulsum.jobs) == (0, ["jira_sync"]), "nothing had changed"
    answer = json.loads(out)
    assert answer["rows"] == [{"issues": 12}]
    assert answer["sources"]["jira"]["age_seconds"] < 120 and answer["sources"]["jira"]["error"] is None
    assert re.search(r"its newest pull is 3 h 1\d min old", err)

    hours_pass()
    site.control("create_issue", project=next(iter(site.control("ids"))))
    code, out, _ = impulsum("sql", QUESTION, "--max-age", "2h", "--json")
    assert (code, impulsum.jobs) == (0, ["jira_sync", "build"])
    assert json.loads(out)["rows"] == [{"issues": 13}]


def test_when_a_source_is_down_the_stored_data_is_shown(impulsum: Shell, site: Running) -> None:
    site.control("fault", kind="status", count=100, status=503)
    code, _, err = impulsum("status", "--max-age", "30m")
    assert code == 0 and "Jira could not be reached (" in err and "it has no published data yet" in err
    site.control("clear_faults")
    impulsum("status", "--max-age", "30m")
    hours_pass()

    site.control("fault", kind="status", count=100, status=429, retry_after=3600)
    code, out, err = impulsum("sql", QUESTION, "--max-age", "30m", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["rows"] == [{"issues": 12}]
    assert answer["sources"]["jira"]["age_seconds"] == pytest.approx(3.25 * 3600, abs=360)
    assert "limits requests" in answer["sources"]["jira"]["error"]
    assert "Jira could not be reached (" in err and re.search(r"the data shown is 3 h 1\d min old\.", err)


def test_an_error_that_will_not_pass_is_reported_and_the_data_shown(
    impulsum: Shell, site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    impulsum.broken = True
    code, _, err = impulsum("status", "--max-age", "1d")
    assert code == 1 and "The marts could not be built" in err
    impulsum.broken = False
    assert impulsum("status", "--max-age", "1d")[0] == 0
    assert impulsum.jobs == ["build"], "the pulled data was not built yet"
    hours_pass()
    monkeypatch.setenv("JIRA_API_TOKEN", "revoked")
    code, out, err = impulsum("sql", QUESTION, "--max-age", "90s", "--csv")
    assert (code, out) == (1, "issues\n12\n")
    assert "Jira could not be pulled" in err and re.search(r"the data shown is 3 h 1\d min old\. Next:", err)


def test_a_wrong_age_is_refused(impulsum: Shell) -> None:
    code, _, err = impulsum("status", "--max-age", "soon")
    assert code == 2 and "90s, 30m, 2h or 1d" in err
