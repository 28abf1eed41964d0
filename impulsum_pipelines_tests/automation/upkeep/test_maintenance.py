"""The job ``maintenance``: which Dagster history it deletes, which it keeps, and what it reports."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import StepMaterializationData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.test_utils import create_run_for_test

from impulsum_pipelines.automation.upkeep.dagster_history import prune_history
from impulsum_pipelines.automation.upkeep.maintenance import build_maintenance, maintenance
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import load_settings

MINUTE = timedelta(minutes=1)


def run_of(instance: dg.DagsterInstance, asset: str, day: str | None = None, *, check: bool = False) -> str:
    """A run that materialized an asset, and evaluated its check, as Dagster records it."""
    run_id = create_run_for_test(instance, status=dg.DagsterRunStatus.SUCCESS).run_id
    key = dg.AssetKey(asset)
    made = StepMaterializationData(dg.AssetMaterialization(key, partition=day))
    recorded: list[tuple[dg.DagsterEventType, Any]] = [(dg.DagsterEventType.ASSET_MATERIALIZATION, made)]
    if check:
        result = AssetCheckEvaluation(asset_key=key, check_name="enough", passed=True, metadata={})
        recorded.append((dg.DagsterEventType.ASSET_CHECK_EVALUATION, result))
    for kind, data in recorded:
        instance.report_dagster_event(dg.DagsterEvent(kind.value, "job", event_specific_data=data), run_id)
    return run_id


def materializing(instance: dg.DagsterInstance, asset: str) -> set[str]:
    """Runs that materialized the asset, as Dagster knows."""
    return {record.run_id for record in instance.fetch_materializations(dg.AssetKey(asset), limit=99).records}


def runs(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


@pytest.mark.usefixtures("ops_settings")
def test_the_last_run_of_each_asset_and_day_stays(instance: dg.DagsterInstance) -> None:
    first, second, again = (run_of(instance, "issues", f"2026-11-0{day}") for day in (1, 2, 1))
    early, late = run_of(instance, "users", check=True), run_of(instance, "users", check=True)
    failed = create_run_for_test(instance, status=dg.DagsterRunStatus.FAILURE).run_id
    logs = Path(instance.root_directory) / "storage" / failed / "compute_logs"
    logs.mkdir(parents=True, exist_ok=True)
    (logs / "step.err").write_text("a line of the log " * 1000)

    done = prune_history(instance, datetime.now(UTC) + MINUTE)

    assert runs(instance) == {second, again, late}
    assert (done.runs, done.runs_kept, done.checks) == (3, 3, 1)
    for gone in (first, early, failed):
        assert not [file for file in Path(instance.root_directory).rglob("*") if gone in str(file) and file.is_file()]
    known = {asset: materializing(instance, asset) for asset in ("issues", "users")}
    assert known == {"issues": {second, again}, "users": {late}}
    assert instance.get_materialized_partitions(dg.AssetKey("issues")) == {"2026-11-01", "2026-11-02"}
    assert instance.all_logs(late)
    assert done.bytes_after > 0
    assert prune_history(instance, datetime.now(UTC) + MINUTE).runs == 0


@pytest.mark.usefixtures("ops_settings")
def test_the_last_report_of_a_sensor_on_each_asset_and_day_stays(instance: dg.DagsterInstance) -> None:
    key, days = dg.AssetKey("events"), (None, None, "2026-11-01", "2026-11-01", None)
    for number, day in enumerate(days):
        made = dg.AssetMaterialization(key, partition=day, tags={"number": str(number)})
        instance.report_runless_asset_event(made)
    for passed in (False, True):
        result = dg.AssetCheckEvaluation(asset_key=key, check_name="enough", passed=passed)
        instance.report_runless_asset_event(result)

    def reported() -> list[tuple[str, str | None]]:
        return [
            (record.dagster_event.event_type_value, record.dagster_event.partition)
            for record in instance.all_logs("")
            if record.dagster_event
        ]

    assert prune_history(instance, datetime.now(UTC) - MINUTE).reports == 0
    assert len(reported()) == 7
    done = prune_history(instance, datetime.now(UTC) + MINUTE)

    assert (done.reports, done.checks) == (4, 1)
    materialized, evaluated = "ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION"
    assert reported() == [(materialized, "2026-11-01"), (materialized, None), (evaluated, None)]
    left: list[Any] = list(instance.fetch_materializations(key, limit=99).records)
    assert [(record.partition_key, record.asset_materialization.tags["number"]) for record in left] == [
        (None, "4"),
        ("2026-11-01", "3"),
    ]
    check = dg.AssetCheckKey(key, "enough")
    [last] = instance.event_log_storage.get_asset_check_execution_history(check, limit=9)
    assert last.status.name == "SUCCEEDED"
    assert instance.get_materialized_partitions(key) == {"2026-11-01"}
    assert prune_history(instance, datetime.now(UTC) + MINUTE).reports == 0


@pytest.mark.usefixtures("ops_settings")
def test_recent_and_unfinished_runs_stay(instance: dg.DagsterInstance) -> None:
    failed = create_run_for_test(instance, status=dg.DagsterRunStatus.SUCCESS).run_id
    running = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED).run_id
    assert prune_history(instance, datetime.now(UTC) - MINUTE).runs == 0
    assert runs(instance) == {failed, running}
    assert prune_history(instance, datetime.now(UTC) + MINUTE).runs == 1
    assert runs(instance) == {running}


@pytest.mark.usefixtures("ops_settings")
def test_all_ticks_but_the_last_are_deleted(instance: dg.DagsterInstance) -> None:
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("impulsum"), "__repository__")
    state = InstigatorState(
        RemoteInstigatorOrigin(place, "monthly"),
        InstigatorType.SCHEDULE,
        InstigatorStatus.RUNNING,
        ScheduleInstigatorData("0 3 1 * *", start_timestamp=0.0),
    )
    instance.add_instigator_state(state)
    now = datetime.now(UTC).timestamp()
    for days in (50, 45, 40):
        tick = TickData(
            state.instigator_origin_id,
            "monthly",
            InstigatorType.SCHEDULE,
            TickStatus.SUCCESS,
            now - days * 86_400,
            run_ids=[],
            selector_id=state.selector_id,
        )
        instance.create_tick(tick)
    prune_history(instance, datetime.now(UTC) - timedelta(days=42))
    assert ticks(instance, state) == [40]
    prune_history(instance, datetime.now(UTC))
    assert ticks(instance, state) == [40], "Dagster computes the next tick from it"


@pytest.mark.usefixtures("ops_settings")
def test_finished_backfills_are_deleted(instance: dg.DagsterInstance) -> None:
    for name, status in (("done", BulkActionStatus.COMPLETED_SUCCESS), ("busy", BulkActionStatus.REQUESTED)):
        for age in (50, 1):
            instance.add_backfill(
                PartitionBackfill(
                    backfill_id=f"{name}{age}",
                    status=status,
                    from_failure=False,
                    tags={"by": "test"},
                    backfill_timestamp=(datetime.now(UTC) - timedelta(days=age)).timestamp(),
                    asset_selection=[dg.AssetKey("issues")],
                )
            )
    assert prune_history(instance, datetime.now(UTC) - timedelta(days=30)).backfills == 1
    assert {backfill.backfill_id for backfill in instance.get_backfills()} == {"done1", "busy50", "busy1"}


@pytest.mark.usefixtures("ops_settings")
def test_the_job_reports_what_it_deleted_and_the_sizes(instance: dg.DagsterInstance) -> None:
    inbox = Home.of(load_settings()).inbox / "done"
    inbox.mkdir(parents=True)
    for name, age in (("old", 31), ("young", 29)):
        (inbox / name).touch()
        at = (datetime.now(UTC) - timedelta(days=age)).timestamp()
        os.utime(inbox / name, (at, at))
    result = maintenance.execute_in_process(instance=instance)
    assert [file.name for file in inbox.iterdir()] == ["young"]
    events: list[Any] = list(result.all_events)
    reported = {
        event.step_key: {name: value.value for name, value in event.event_specific_data.metadata.items()}
        for event in events
        if event.event_type_value == "STEP_OUTPUT"
    }
    assert reported["prune_ops_store"]["size before (MB)"] > 0
    assert reported["prune_ops_store"]["events deleted"] == 0
    assert reported["prune_inbox"]["files deleted"] == 1
    assert reported["prune_dagster_history"]["size after (MB)"] > 0
    assert reported["prune_dagster_history"]["runs deleted"] == 0


def test_an_unreachable_store_fails_only_its_own_step(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPULSUM_OPS_URL", "nonsense")
    result = maintenance.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert {event.step_key for event in result.all_events if event.is_step_failure} == {"prune_ops_store"}
    assert {event.step_key for event in result.all_events if event.is_step_success} == {
        "prune_dagster_history",
        "prune_inbox",
    }


def test_it_runs_every_night_in_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_TIMEZONE", "Europe/Berlin")
    [schedule] = build_maintenance(load_settings()).schedules or []
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 4 * * *", "Europe/Berlin")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def ticks(instance: dg.DagsterInstance, state: InstigatorState) -> list[int]:
    """Ages in days of the ticks that are left."""
    left = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    return [round((datetime.now(UTC).timestamp() - tick.timestamp) / 86_400) for tick in left]
