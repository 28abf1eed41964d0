"""The sensor that tells of sources that are not pulled any more: one alert, which says what is known, and ends."""

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
from impulsum_pipelines.automation.sensors.freshness import look, tell
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
    """Tempo is on, alone."""
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


def told(settings: Settings) -> list[Any]:
    with transaction(settings) as connection:
        return list(connection.execute(sa.select(schema.alerts).order_by(schema.alerts.c.id)))


def test_a_source_that_is_not_pulled_any_more_is_one_alert_that_ends(
    ops_settings: Settings, instance: dg.DagsterInstance
) -> None:
    pulled(NOON - 3 * HOUR)
    tried(ops_settings, NOON - HOUR)
    for minutes in (0, 10):
        now = NOON + timedelta(minutes=minutes)
        tell(ops_settings, look(ops_settings, now), instance, at=now)
    [alert] = told(ops_settings)
    assert (alert.key, alert.kind, alert.priority, alert.state) == ("freshness:tempo", "freshness", "P2", "open")
    assert alert.title == "Tempo has not been pulled for 3 h 10 min"
    assert "1 h 30 min are allowed in business hours" in alert.detail
    assert "The last try, at 2026-11-18 11:00 UTC, ended as failed: The token is refused." in alert.detail
    assert "The next try is due at 2026-11-18 12:30 UTC." in alert.detail

    lost = NOON + timedelta(days=4)  # nobody mended it over the weekend
    tell(ops_settings, look(ops_settings, lost), instance, at=lost)
    assert [(alert.priority, alert.state) for alert in told(ops_settings)] == [("P1", "open")]

    pulled(lost)
    tell(ops_settings, look(ops_settings, lost), instance, at=lost)
    [alert] = told(ops_settings)
    assert alert.state == "resolved"


def test_the_end_of_the_working_day_is_not_the_end_of_the_trouble(
    ops_settings: Settings, instance: dg.DagsterInstance
) -> None:
    def state_at(now: datetime) -> str:
        tell(ops_settings, look(ops_settings, now), instance, at=now)
        [alert] = told(ops_settings)
        return str(alert.state)

    pulled(NOON - 3 * HOUR)
    assert state_at(NOON) == "open"
    for hours in (6.1, 15, 20.2):
        assert state_at(NOON + hours * HOUR) == "open", "nobody has pulled it since"
    pulled(NOON + 20.3 * HOUR)
    assert state_at(NOON + 32 * HOUR) == "resolved", "it was pulled, although nobody looked until the evening"


def test_a_source_that_is_switched_off_is_nobodys_trouble(
    ops_settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(NOON - 3 * HOUR)
    tell(ops_settings, look(ops_settings, NOON), instance, at=NOON)
    monkeypatch.delenv("TEMPO_API_TOKEN")
    off = load_settings()
    assert look(off, NOON) == []
    tell(off, [], instance, at=NOON)
    assert [alert.state for alert in told(off)] == ["resolved"]


def test_a_file_that_is_being_written_is_left_to_the_next_look(
    ops_settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "_LOCK_SECONDS", 0.01)
    pulled(NOON - 3 * HOUR)
    tell(ops_settings, look(ops_settings, NOON), instance, at=NOON)
    with Home.of(ops_settings).writing("tempo"):
        tell(ops_settings, look(ops_settings, NOON), instance, at=NOON)
    assert [(alert.state, alert.occurrences) for alert in told(ops_settings)] == [("open", 1)]


def test_a_tick_shows_what_is_lost_and_why_and_what_comes_next(instance: dg.DagsterInstance) -> None:
    pulled(datetime.now(UTC))
    ticked = ticks(instance)
    assert ticked.skip_message == "Every source is fresh."
    assert [event.passed for event in ticked.asset_events if isinstance(event, dg.AssetCheckEvaluation)] == [True]
    ticked = ticks(instance, ticked.cursor)
    assert not ticked.asset_events, "that it is still fresh is no news"

    with Home.of(load_settings()).write_raw("tempo") as connection:
        connection.execute("update raw.syncs set started_at = now() - interval 4 days")
    ticked = ticks(instance, ticked.cursor)
    shown, overview = ticked.asset_events
    assert isinstance(shown, dg.AssetCheckEvaluation) and isinstance(overview, dg.AssetMaterialization)
    assert (shown.asset_check_key, shown.passed) == (freshness_check("tempo"), False)
    assert shown.severity == dg.AssetCheckSeverity.ERROR
    words = overview.metadata["Tempo"].value
    for said in ("has not been pulled for 4 d.", "No try of it is on record.", "The next try is due at"):
        for place in (shown.description, ticked.skip_message, words):
            assert said in str(place), "what is stale, why, and what will happen next"
    assert ticks(instance, ticked.cursor).asset_events, "and it is said as long as it is so"

    pulled(datetime.now(UTC))
    again, _ = ticks(instance, ticked.cursor).asset_events
    assert isinstance(again, dg.AssetCheckEvaluation) and again.passed


def ticks(instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    [sensor] = freshness.build_freshness().sensors or ()
    assert isinstance(sensor, dg.SensorDefinition)
    return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))


def test_a_schedule_that_somebody_stopped_will_not_try_again(instance: dg.DagsterInstance) -> None:
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("impulsum"), "__repository__")
    origin, data = RemoteInstigatorOrigin(place, "tempo_live"), ScheduleInstigatorData("*/30 * * * *")
    assert not is_stopped(instance, "tempo_live")
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.STOPPED, data))
    assert is_stopped(instance, "tempo_live")
    assert not is_stopped(instance, "jira_live")


def test_the_next_tick_is_of_the_next_working_day() -> None:
    friday = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
    assert next_tick("*/30 8-17 * * 1-5", "Europe/Berlin", friday).astimezone(UTC) == datetime(
        2026, 11, 23, 7, tzinfo=UTC
    )
