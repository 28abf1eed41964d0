"""A sprint that was started or completed is read completely, once, even if a live pull has read parts of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import orjson
import pytest
from dagster._core.test_utils import create_run_for_test

from impulsum_pipelines.automation.jobs import SPRINT_REFRESH
from impulsum_pipelines.automation.sensors.sprint_events import request_sprint_refresh
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.definitions import build_definitions, build_source_definitions
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.webhooks.events.inbox import process_inbox
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.jira.support import held, one, sync

pytestmark = pytest.mark.usefixtures("quick_loads")


@pytest.fixture
def instance(light_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    return light_instance


def receive(sprint: int, kind: str = "sprint_closed") -> None:
    """Receive and commit one of Jira's events."""
    body = {"webhookEvent": kind, "timestamp": 1_763_000_000_000, "sprint": {"id": sprint, "originBoardId": 1}}
    settings = load_settings()
    dropfiles.write_dropfile(
        Home.of(settings), "jira", orjson.dumps(body), headers={}, delivery=f"{kind}-{datetime.now(UTC).isoformat()}"
    )
    assert process_inbox(settings).committed == 1


def requested(instance: dg.DagsterInstance, later: timedelta = timedelta(0)) -> dg.RunRequest | str:
    """The run that is requested, or why none is."""
    answer = request_sprint_refresh(instance, load_settings(), datetime.now(UTC) + later)
    return answer if isinstance(answer, dg.RunRequest) else str(answer.skip_message)


def sprints(request: dg.RunRequest | str) -> list[str]:
    assert isinstance(request, dg.RunRequest), request
    found: list[str] = request.run_config["ops"]["jira_pull"]["config"]["refresh"]
    return found


def begin(instance: dg.DagsterInstance, request: dg.RunRequest | str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """The run that Dagster's daemon would make of a request."""
    assert isinstance(request, dg.RunRequest)
    return create_run_for_test(instance, job_name=SPRINT_REFRESH, run_config=request.run_config, status=status)


def test_changes_that_a_search_showed_late_are_right_after_the_event(
    sandbox: SandboxFactory, instance: dg.DagsterInstance
) -> None:
    site = sandbox(seed=3, issues=30, now="2026-11-18T08:00:00Z")
    sync()
    sprint = next(s["id"] for s in site.control("sprints")["sprints"] if s["state"] == "active")
    inside = held("select key from raw.issues where list_contains(sprint_ids::varchar[], ?) order by key", str(sprint))
    (estimated,), (left,), *_ = inside
    site.control("search_lag", seconds=2 * 3600)
    site.control("clock", now="2026-11-18T10:00:00Z")
    site.control("estimate", issue=estimated, value=21)
    site.control("set_sprint", issue=left, sprint=None)
    for moment in ("10:05", "11:30", "12:10"):
        site.control("clock", now=f"2026-11-18T{moment}:00Z")
        sync()
    site.control("complete_sprint", sprint=sprint)

    def is_right() -> tuple[bool, bool, bool, bool]:
        row = "from raw.issues where key = ?"
        return (
            21.0 in json.loads(one(f"select estimates {row}", estimated)).values(),
            str(sprint) not in json.loads(one(f"select sprint_ids {row}", left)),
            all(
                one("select max(created_at) >= '2026-11-18 10:00:00+00' from raw.changes where issue_id = ?", issue_id)
                for (issue_id,) in held("select id from raw.issues where key in (?, ?)", estimated, left)
            ),
            one("select state = 'closed' from raw.sprints where id = ?", str(sprint)),
        )

    assert is_right() == (False, False, False, False)
    receive(sprint)
    request = requested(instance)
    assert sprints(request) == [f"sprint:{sprint}"]
    assert isinstance(request, dg.RunRequest)
    pull = build_source_definitions().resolve_job_def("jira_sync")  # that of the requested job, without checks and dbt
    assert pull.execute_in_process(
        instance=instance,
        run_config=request.run_config,
        partition_key=request.partition_key,
        op_selection=["jira_pull"],
    ).success
    assert is_right() == (True, True, True, True)
    was_refreshed = "select streams->>'$.boards.refreshed' from raw.syncs order by started_at desc limit 1"
    assert one(was_refreshed) == "true", "with its board's configuration"


def test_names_that_no_board_shows_are_ignored(sandbox: SandboxFactory) -> None:
    sandbox(seed=3, issues=12)
    sync()
    assert sync(refresh=["sprint:999", "sprint:1) or (project = X", "board:1", "issue:ACME-1"]).rows["issues"].new == 0


@pytest.fixture
def jira_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BASE_URL", "https://a.invalid"), ("EMAIL", "a@b.invalid"), ("API_TOKEN", "t")):
        monkeypatch.setenv(f"JIRA_{name}", value)


@pytest.mark.usefixtures("ops_settings", "jira_is_on")
def test_events_are_handled_once_and_together(instance: dg.DagsterInstance) -> None:
    assert "No sprint" in requested(instance)
    receive(1)
    receive(2, "sprint_started")
    receive(7, "sprint_updated")
    request = requested(instance)
    assert sprints(request) == ["sprint:1", "sprint:2"]
    run = begin(instance, request, dg.DagsterRunStatus.STARTED)
    receive(3)
    assert run.run_id[:8] in requested(instance), "while one run reads, the next waits"
    instance.delete_run(run.run_id)
    begin(instance, request, dg.DagsterRunStatus.SUCCESS)
    assert sprints(requested(instance)) == ["sprint:3"]
    receive(1, "sprint_started")
    assert sprints(requested(instance)) == ["sprint:1", "sprint:3"], "it was started again after it was read"
    assert "No sprint" in requested(instance, timedelta(days=3))


@pytest.mark.usefixtures("ops_settings", "jira_is_on")
def test_a_failed_run_is_requested_again_after_a_pause(instance: dg.DagsterInstance) -> None:
    receive(1)
    for wait in (10, 20):
        instance.report_run_failed(
            begin(instance, requested(instance, timedelta(hours=1)), dg.DagsterRunStatus.STARTED)
        )
        assert "The last run failed" in requested(instance, timedelta(minutes=wait - 1))
        assert sprints(requested(instance, timedelta(minutes=wait + 1))) == ["sprint:1"]


def test_without_jira_nothing_is_read(instance: dg.DagsterInstance) -> None:
    assert "Jira is off" in requested(instance)


@pytest.mark.usefixtures("jira_is_on")
def test_the_sensor_is_on(instance: dg.DagsterInstance) -> None:
    repository = build_definitions().get_repository_def()
    sensor = repository.get_sensor_def("sprint_events")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    receive(1)
    [request] = (
        sensor.evaluate_tick(dg.build_sensor_context(instance=instance, repository_def=repository)).run_requests or ()
    )
    assert sprints(request) == ["sprint:1"]
    assert request.partition_key == datetime.now(UTC).date().isoformat()
