"""Missing closed days are found, requested once, filled, and then no longer missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from impulsum_pipelines.automation.sensors import catch_up
from impulsum_pipelines.base import failing
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.cli.commands.status import source_status
from impulsum_pipelines.definitions import build_source_definitions
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.closed_days import first_open_day
from impulsum_pipelines.loading.history import recent
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.jira.support import one, sync

pytestmark = pytest.mark.usefixtures("quick_loads")

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noon in the configured zone, so that no nightly close falls into the test."""
    monkeypatch.setenv("IMPULSUM_TIMEZONE", f"Etc/GMT{datetime.now(UTC).hour - 12:+d}")


@pytest.fixture(autouse=True)
def partitions_of_a_month() -> None:
    home = Home.of(load_settings())
    home.root.mkdir(parents=True, exist_ok=True)
    home.first_day.write_text(str(today() - 30 * DAY))


@pytest.fixture
def instance(light_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    return light_instance


@pytest.fixture
def site(sandbox: SandboxFactory) -> Running:
    """A Jira of five days ago, the only source."""
    return sandbox(seed=3, issues=12, now=f"{today() - 5 * DAY}T12:00:00Z")


@pytest.fixture(autouse=True)
def jira_alone(monkeypatch: pytest.MonkeyPatch, site: Running) -> None:
    for name in site.env:
        if not name.startswith("JIRA_"):
            monkeypatch.delenv(name)


def today() -> date:
    """The first day that is not due yet."""
    return first_open_day(datetime.now(UTC), load_settings())


def pull_at(site: Running, days_ago: int, hour: int) -> None:
    """A live pull at that time."""
    site.control("clock", now=f"{today() - days_ago * DAY}T{hour:02}:00:00Z")
    sync()


def requested(instance: dg.DagsterInstance, later: timedelta = timedelta(0)) -> dg.RunRequest | str:
    """The only run that is requested, or why none is."""
    answer = catch_up.request_missing_days(instance, load_settings(), datetime.now(UTC) + later)
    if isinstance(answer, dg.SkipReason):
        return str(answer.skip_message)
    [request] = answer.run_requests or ()
    return request


def days(request: dg.RunRequest | str) -> tuple[date, date]:
    assert isinstance(request, dg.RunRequest), request
    first, last = (date.fromisoformat(request.tags[f"dagster/asset_partition_range_{end}"]) for end in ("start", "end"))
    return first, last


def run(instance: dg.DagsterInstance, request: dg.RunRequest | str) -> bool:
    """Whether the pull of the requested run succeeds; its checks are left out."""
    assert isinstance(request, dg.RunRequest) and request.job_name
    job = build_source_definitions().resolve_job_def(request.job_name)
    return job.execute_in_process(
        instance=instance, tags=request.tags, op_selection=["jira_pull"], raise_on_error=False
    ).success


def test_after_two_days_without_a_daemon_the_day_when_it_stopped_is_read_again(
    instance: dg.DagsterInstance, site: Running
) -> None:
    pull_at(site, 3, 10)
    site.control("clock", now=f"{today() - 3 * DAY}T16:00:00Z")
    site.control("search_lag", seconds=3 * 3600)
    late = one("select min(key) from raw.issues where not is_subtask")
    site.control("edit_issue", issue=late, summary="seen late")
    pull_at(site, 3, 17)
    left = [today() - ago * DAY for ago in (3, 2, 1)]
    assert source_status("jira", load_settings())["never_closed"] == tuple(left)
    assert "after the next live pull" in str(requested(instance)), "live pulls come first"
    pull_at(site, 0, 9)
    summary = "select summary = 'seen late' from raw.issues where key = ?"
    assert not one(summary, late)

    request = requested(instance)
    assert days(request) == (left[0], left[0]), "the live pull read the other days completely"
    assert run(instance, request)
    assert one(summary, late)
    assert recent(load_settings(), limit=1)[0]["started_by"] == "catch-up"
    assert requested(instance) == "No closed day is missing."
    assert source_status("jira", load_settings())["never_closed"] == ()


def test_no_day_is_requested_twice_and_few_at_once(
    instance: dg.DagsterInstance, site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ago in (3, 2, 1, 0):
        pull_at(site, ago, 9)
    midnight = datetime.combine(today(), time(), UTC)
    sync(window=Window(midnight - 3 * DAY, midnight), tables={"issues"})
    request = requested(instance)
    assert days(request) == (today() - 3 * DAY, today() - DAY), "a window of some tables closes no day"
    assert isinstance(request, dg.RunRequest) and request.job_name
    queued = create_run_for_test(
        instance, job_name=request.job_name, tags=request.tags, status=dg.DagsterRunStatus.NOT_STARTED
    )
    waits = str(requested(instance))
    assert queued.run_id[:8] in waits and f"misses {today() - 3 * DAY} to {today() - DAY}" in waits
    instance.delete_run(queued.run_id)
    monkeypatch.setattr(catch_up, "MOST_DAYS", 2)
    assert days(requested(instance)) == (today() - 2 * DAY, today() - DAY), "the newest first"


def test_a_source_that_is_down_is_paused_and_filled_later(
    instance: dg.DagsterInstance, site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BACKOFF", 0)
    monkeypatch.setattr(failing, "RETRIES", 0)
    pull_at(site, 1, 9)
    pull_at(site, 0, 9)
    request = requested(instance)
    site.control("fault", kind="status", count=1000)
    assert not run(instance, request)
    for hours in (0, 1, 8):
        assert "after the next pull that succeeds" in str(requested(instance, timedelta(hours=hours)))
    with pytest.raises(ImpulsumError):
        sync()
    assert "source outage" in str(requested(instance))
    site.control("clear_faults")
    sync()
    assert "since the last catch-up" in str(requested(instance))
    again = requested(instance, timedelta(minutes=11))
    assert days(again) == days(request)
    assert run(instance, again)
    assert requested(instance) == "No closed day is missing."


def test_a_day_that_cannot_be_read_does_not_block_the_others(
    instance: dg.DagsterInstance, site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BACKOFF", 0)
    monkeypatch.setattr(failing, "RETRIES", 0)
    for ago in (3, 2, 1, 0):
        pull_at(site, ago, 9)
    oldest, middle, bad = (today() - ago * DAY for ago in (3, 2, 1))
    tried: list[tuple[date, date]] = []
    while source_status("jira", load_settings())["never_closed"] != (bad,):
        assert len(tried) < 4, tried
        first, last = days(request := requested(instance, timedelta(hours=1)))
        tried.append((first, last))
        if last == bad:
            site.control("fault", kind="status", count=1000)
        assert run(instance, request) is (last != bad)
        site.control("clear_faults")
        sync()
    assert tried == [(oldest, bad), (bad, bad), (middle, middle), (oldest, oldest)]
    assert days(requested(instance, timedelta(hours=1))) == (bad, bad), "and it is tried again"


def test_urgent_runs_come_first_and_the_sensor_is_on(instance: dg.DagsterInstance, site: Running) -> None:
    pull_at(site, 1, 9)
    pull_at(site, 0, 9)
    request = requested(instance)
    assert isinstance(request, dg.RunRequest)
    filling = create_run_for_test(instance, job_name="jira_sync", tags=request.tags)
    backfill = create_run_for_test(instance, job_name="__ASSET_JOB", tags={"dagster/backfill": "b"})
    [live] = [source for source in SOURCES if source.name == "jira"]
    alert = create_run_for_test(instance, job_name="jira_sync", tags={"dagster/priority": str(live.priority)})
    queue = QueuedRunCoordinatorDaemon(interval_seconds=1)._priority_sort([filling, backfill, alert])
    assert [run.run_id for run in queue] == [alert.run_id, backfill.run_id, filling.run_id]

    project = build_source_definitions()
    repository = dg.Definitions.merge(project, catch_up.build_catch_up(list(project.jobs or ()))).get_repository_def()
    sensor = repository.get_sensor_def("catch_up")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    for run_id in (filling.run_id, backfill.run_id, alert.run_id):
        instance.delete_run(run_id)
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, repository_def=repository))
    [again] = tick.run_requests or ()
    assert days(again) == days(request)


def test_sources_that_are_off_are_not_pulled(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JIRA_API_TOKEN")
    assert requested(instance) == "Every source is off."
