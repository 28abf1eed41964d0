"""The commands that run jobs, each as a process against a sandbox: their output, and the data that they write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg


def impulsum(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from impulsum_pipelines.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=os.environ.copy(),
    )


def test_sync_reports_what_it_did_and_is_in_dagsters_history(
    sandbox: Callable[..., Any], instance: dg.DagsterInstance, monkeypatch: Any
) -> None:
    sandbox(seed=4, issues=60)
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    synced = impulsum("sync", "jira")
    assert synced.returncode == 0, synced.stderr
    rows = {line.split()[0]: line.split()[1:] for line in synced.stdout.splitlines()}
    assert rows["table"] == ["new", "changed", "unchanged", "deleted", "unreachable"]
    new = int(rows["issues"][0])
    assert new >= 60 and rows["issues"][1:] == ["0", "0", "0", "0"]
    assert "requests" in synced.stderr and " 0 failed." in synced.stderr
    assert "impulsum build" in synced.stderr

    state = json.loads(impulsum("status", "--json").stdout)["sources"]["jira"]
    assert state["configured"] and state["last_sync"]["status"] == "done"
    assert state["rows"]["issues"] == new
    [run] = instance.get_run_records()
    assert run.dagster_run.job_name == "jira_sync"
    # The UI groups runs by these: on the timeline, and on the page of the job.
    assert run.dagster_run.remote_job_origin
    assert run.dagster_run.remote_job_origin.location_name == "impulsum_pipelines.definitions"
    of_the_location = {".dagster/repository": "__repository__@impulsum_pipelines.definitions"}
    assert instance.get_runs_count(dg.RunsFilter(job_name="jira_sync", tags=of_the_location)) == 1
    assert abs(datetime.now(UTC) - run.create_timestamp) < timedelta(hours=1)


def test_doctor_and_sync_say_what_a_wrong_token_needs(sandbox: Callable[..., Any], monkeypatch: Any) -> None:
    sandbox(seed=4, issues=60)
    assert "logged in" in impulsum("doctor").stdout
    monkeypatch.setenv("JIRA_API_TOKEN", "not-the-token")
    for arguments in (("doctor",), ("sync", "jira")):
        refused = impulsum(*arguments)
        assert refused.returncode == 1
        assert "authentication" in refused.stdout + refused.stderr
        assert "check the account and its token" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert "not-the-token" not in refused.stdout + refused.stderr


def test_a_sync_that_cannot_write_its_history_continues_and_says_so(
    sandbox: Callable[..., Any], monkeypatch: Any
) -> None:
    sandbox(seed=4, issues=20)
    monkeypatch.setenv("IMPULSUM_OPS_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/ops")
    synced = impulsum("sync", "tempo")
    assert synced.returncode == 0, synced.stderr
    assert synced.stderr.count("is not recorded") == 1
