"""The commands that run jobs, against a sandbox: their output, and the data that they write.

They run in this process, and their syncs load quickly; the contract's tests run them as processes.
"""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from impulsum_pipelines.loading.history import recent
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.cli.test_commands import Shell
from impulsum_pipelines_tests.conftest import SandboxFactory


class ProcessShell(Shell):
    """Its output goes to the descriptors 1 and 2, as that of a process: a run redirects these."""

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with (
            open(1, "w", closefd=False) as out,
            open(2, "w", closefd=False) as err,
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            return super().__call__(*arguments)


@pytest.fixture
def impulsum(capfd: pytest.CaptureFixture[str]) -> Shell:
    return ProcessShell(capfd)


@pytest.mark.usefixtures("quick_loads")
def test_sync_reports_what_it_did_and_is_in_dagsters_history(
    sandbox: SandboxFactory, instance: dg.DagsterInstance, impulsum: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(seed=4, issues=12)
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    code, out, err = impulsum("sync", "jira")
    assert code == 0, err
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert rows["table"] == ["new", "changed", "unchanged", "deleted", "unreachable"]
    assert rows["issues"] == ["12", "0", "0", "0", "0"]
    assert "requests" in err and " 0 failed." in err
    assert "impulsum build" in err

    state = json.loads(impulsum("status", "--json")[1])["sources"]["jira"]
    assert state["configured"] and state["last_sync"]["status"] == "done"
    assert state["rows"]["issues"] == 12
    [run] = instance.get_run_records()
    assert run.dagster_run.job_name == "jira_sync"
    # The UI groups runs by these: on the timeline, and on the page of the job.
    assert run.dagster_run.remote_job_origin
    assert run.dagster_run.remote_job_origin.location_name == "impulsum_pipelines.definitions"
    of_the_location = {".dagster/repository": "__repository__@impulsum_pipelines.definitions"}
    assert instance.get_runs_count(dg.RunsFilter(job_name="jira_sync", tags=of_the_location)) == 1
    assert abs(datetime.now(UTC) - run.create_timestamp) < timedelta(hours=1)
    [sync] = recent(load_settings())
    assert (sync["started_by"], sync["run_id"]) == ("shell", run.dagster_run.run_id)


@pytest.mark.usefixtures("quick_runs")
def test_doctor_and_sync_say_what_a_wrong_token_needs(
    sandbox: SandboxFactory, impulsum: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(seed=4, issues=12)
    assert "logged in" in impulsum("doctor")[1]
    monkeypatch.setenv("JIRA_API_TOKEN", "not-the-token")
    for arguments in (("doctor",), ("sync", "jira")):
        code, out, err = impulsum(*arguments)
        assert code == 1
        assert "authentication" in out + err
        assert "check the account and its token" in err
        assert "Traceback" not in err
        assert "not-the-token" not in out + err


@pytest.mark.usefixtures("quick_runs")
def test_a_sync_that_cannot_write_its_history_continues_and_says_so(
    sandbox: SandboxFactory, impulsum: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(seed=4, issues=12)
    monkeypatch.setenv("IMPULSUM_OPS_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/ops")
    code, _, err = impulsum("sync", "tempo")
    assert code == 0, err
    assert err.count("is not recorded") == 1
