"""The sensor ``freshness``: a source that stops being pulled raises one alert, which is resolved when pulls resume."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData

from impulsum_pipelines.automation.runs import is_stopped, next_tick
from impulsum_pipelines.automation.sensors import freshness
from impulsum_pipelines.automation.sensors.freshness import check_freshness, update_alerts
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.source import freshness_check
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading.history import Origin, recorded
from impulsum_pipelines.loading.raw import ensure_tables, insert_row
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings

#: A Wednesday in business hours.
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def tempo(own_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tempo is the only source that is on."""
    monkeypatch.setenv("TEMPO_API_TOKEN", "t")


def pulled(at: datetime) -> None:
    """A live pull that found nothing new."""
    home = Home.of(load_settings())
    ensure_tables(home, "tempo")
    row = {"sync_id": f"{at:%Y%m%dT%H%M%S}-0", "source": "tempo", "mode": "live", "started_at": at}
    with home.write_raw("tempo") as connection:
        insert_row(connection, "syncs", row | {"status": "done", "watermark_to": at, "streams": _ALL_READ})


_ALL_READ = (
    '{"accounts": {"ended": "complete"}, "teams": {"ended": "complete"}, "team_members": {"ended": "complete"}, '
    '"workload_schemes": {"ended": "complete"}, "workload_scheme_members": {"ended": "complete"}}'
)


def tried(settings: Settings, at: datetime) -> None:
    """A pull that failed."""
    refused = ImpulsumError(Category.AUTHENTICATION, "The token is refused", next_step="make another.")
    with pytest.raises(ImpulsumError), recorded(
        settings, sync_id="s1", source="tempo", origin=Origin("schedule"), window=None, census=False, started_at=at
    ):  # fmt: skip
        raise refused


def stored_alerts(settings: Settings) -> list[Any]:
    with transaction(settings) as connection:
        return list(connection.execute(sa.select(schema.alerts).order_by(schema.alerts.c.id)))


def test_a_source_that_stops_being_pulled_is_one_alert_until_pulls_resume(
    ops_settings: Settings, instance: dg.DagsterInstance
) -> None:
    pulled(NOON - 3 * HOUR)
    tried(ops_settings, NOON - HOUR)
    for minutes in (0, 10):
        now = NOON + timedelta(minutes=minutes)
        update_alerts(ops_settings, check_freshness(ops_settings, now), instance, at=now)
    [alert] = stored_alerts(ops_settings)
    assert (alert.key, alert.kind, alert.priority, alert.state) == ("freshness:tempo", "freshness", "P2", "open")
    assert alert.title == "Tempo has not been pulled for 3 h 10 min"
    assert "At most 1 h 30 min are allowed in business hours" in alert.detail
    assert "The last pull, at 2026-11-18 11:00 UTC, ended as failed: The token is refused." in alert.detail
    assert "The next pull is due at 2026-11-18 12:30 UTC." in alert.detail

    lost = NOON + timedelta(days=4)  # nobody fixed it over the weekend
    update_alerts(ops_settings, check_freshness(ops_settings, lost), instance, at=lost)
    assert [(alert.priority, alert.state) for alert in stored_alerts(ops_settings)] == [("P1", "open")]

    pulled(lost)
    update_alerts(ops_settings, check_freshness(ops_settings, lost), instance, at=lost)
    [alert] = stored_alerts(ops_settings)
    assert alert.state == "resolved"


def test_the_alert_is_not_resolved_by_the_end_of_the_working_day(
    ops_settings: Settings, instance: dg.DagsterInstance
) -> None:
    def state_at(now: datetime) -> str:
        update_alerts(ops_settings, check_freshness(ops_settings, now), instance, at=now)
        [alert] = stored_alerts(ops_settings)
        return str(alert.state)

    pulled(NOON - 3 * HOUR)
    assert state_at(NOON) == "open"
    for hours in (6.1, 15, 20.2):
        assert state_at(NOON + hours * HOUR) == "open", "nobody has pulled it since"
    pulled(NOON + 20.3 * HOUR)
    assert state_at(NOON + 32 * HOUR) == "resolved", "it was pulled, although the next tick came in the evening"


def test_the_alert_of_a_source_that_is_switched_off_is_resolved(
    ops_settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(NOON - 3 * HOUR)
    update_alerts(ops_settings, check_freshness(ops_settings, NOON), instance, at=NOON)
    monkeypatch.delenv("TEMPO_API_TOKEN")
    off = load_settings()
    assert check_freshness(off, NOON) == []
    update_alerts(off, [], instance, at=NOON)
    assert [alert.state for alert in stored_alerts(off)] == ["resolved"]


def test_a_file_that_is_being_written_is_left_to_the_next_tick(
    ops_settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "_LOCK_SECONDS", 0.01)
    pulled(NOON - 3 * HOUR)
    update_alerts(ops_settings, check_freshness(ops_settings, NOON), instance, at=NOON)
    with Home.of(ops_settings).writing("tempo"):
        update_alerts(ops_settings, check_freshness(ops_settings, NOON), instance, at=NOON)
    assert [(alert.state, alert.occurrences) for alert in stored_alerts(ops_settings)] == [("open", 1)]


def test_a_tick_shows_what_is_lost_and_its_last_and_next_pull(instance: dg.DagsterInstance) -> None:
    pulled(datetime.now(UTC))
    ticked = ticks(instance)
    assert ticked.skip_message == "Every source is fresh."
    assert [event.passed for event in ticked.asset_events if isinstance(event, dg.AssetCheckEvaluation)] == [True]
    ticked = ticks(instance, ticked.cursor)
    assert not ticked.asset_events, "a source that is still fresh is no news"

    with Home.of(load_settings()).write_raw("tempo") as connection:
        connection.execute("update raw.syncs set started_at = now() - interval 4 days")
    ticked = ticks(instance, ticked.cursor)
    result, overview = ticked.asset_events
    assert isinstance(result, dg.AssetCheckEvaluation) and isinstance(overview, dg.AssetMaterialization)
    assert (result.asset_check_key, result.passed) == (freshness_check("tempo"), False)
    assert result.severity == dg.AssetCheckSeverity.ERROR
    words = overview.metadata["Tempo"].value
    for text in ("has not been pulled for 4 d.", "No pull of Tempo is recorded.", "The next pull is due at"):
        for place in (result.description, ticked.skip_message, words):
            assert text in str(place), "what is stale, and its last and next pull"
    assert ticks(instance, ticked.cursor).asset_events, "and every tick reports it while it is so"

    pulled(datetime.now(UTC))
    again, _ = ticks(instance, ticked.cursor).asset_events
    assert isinstance(again, dg.AssetCheckEvaluation) and again.passed


def ticks(instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    [sensor] = freshness.build_freshness().sensors or ()
    assert isinstance(sensor, dg.SensorDefinition)
    return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))


def test_a_schedule_that_somebody_stopped_is_known(instance: dg.DagsterInstance) -> None:
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("impulsum"), "__repository__")
    origin, data = RemoteInstigatorOrigin(place, "tempo_live"), ScheduleInstigatorData("*/30 * * * *")
    assert not is_stopped(instance, "tempo_live")
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.STOPPED, data))
    assert is_stopped(instance, "tempo_live")
    assert not is_stopped(instance, "jira_live")


def test_the_next_tick_is_on_the_next_working_day() -> None:
    friday = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
    assert next_tick("*/30 8-17 * * 1-5", "Europe/Berlin", friday).astimezone(UTC) == datetime(
        2026, 11, 23, 7, tzinfo=UTC
    )
