"""The sensor ``inbox`` and the risk alerts, as Dagster runs them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import pytest
import sqlalchemy as sa

from impulsum_pipelines.automation.jobs import build_sync_jobs
from impulsum_pipelines.automation.sensors import inbox
from impulsum_pipelines.automation.sensors.inbox import build_inbox
from impulsum_pipelines.automation.sensors.watcher import get_watcher
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.marts.risk_alerts import RiskAlerts, update_risk_alerts
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.webhooks.events import inbox as webhooks_inbox
from impulsum_pipelines.webhooks.events.triage import PACKAGED
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines_tests.webhooks.sample_events import issue

NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)


@pytest.fixture
def instance(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance where ticks of the inbox wait only for a moment."""
    monkeypatch.setattr(inbox, "WATCH", 0.2)
    monkeypatch.setattr(inbox, "GATHER", 0.2)
    yield instance
    get_watcher(load_settings()).stop()


def tick(instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    [sensor] = build_inbox(build_sync_jobs()).sensors or ()
    assert isinstance(sensor, dg.SensorDefinition)
    result: Any = sensor._raw_fn(dg.build_sensor_context(instance=instance))  # before Dagster takes it apart
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def tick_that_finds(instance: dg.DagsterInstance) -> dg.SensorResult:
    """The first tick that reports files; on a busy machine the watcher may need longer than one tick.

    An earlier tick may already request a pull: a committed event counts at once.
    """
    deadline = time.monotonic() + 20
    while isinstance(result := tick(instance), dg.SkipReason) or not result.asset_events:
        assert time.monotonic() < deadline, "the inbox is not processed"
    return result


def drop(key: str, priority: str) -> None:
    body = issue(key, priority={"name": priority})
    body["issue"]["id"] = key
    dropfiles.write_dropfile(Home.of(load_settings()), "jira", orjson.dumps(body), headers={})


def test_a_tick_without_drop_files_skips(instance: dg.DagsterInstance) -> None:
    assert isinstance(tick(instance), dg.SkipReason)


def test_a_tick_commits_drop_files_and_pulls_the_source_of_an_urgent_event(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    jira_is_on(monkeypatch)
    drop("OPS-1", "Highest")
    drop("OPS-2", "Medium")
    result = tick_that_finds(instance)
    [pull] = result.run_requests or ()
    assert (pull.job_name, pull.tags["dagster/priority"]) == ("jira_sync", "20")
    [event] = result.asset_events
    assert event.asset_key == inbox.EVENTS
    assert event.metadata["new"].value == 2


def jira_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BASE_URL", "https://a.invalid"), ("EMAIL", "a@b.invalid"), ("API_TOKEN", "t")):
        monkeypatch.setenv(f"JIRA_{name}", value)


def test_an_error_after_an_urgent_event_does_not_lose_its_pull(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    jira_is_on(monkeypatch)
    drop("OPS-1", "Highest")
    for number in range(60):
        drop(f"OPS-{number + 2}", "Medium")
    record, calls = webhooks_inbox.record_events, []

    def fail_once(*args: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError
        return record(*args, **named)

    monkeypatch.setattr(webhooks_inbox, "record_events", fail_once)
    with pytest.raises(ZeroDivisionError):
        tick_that_finds(instance)
    [pull] = tick_that_finds(instance).run_requests or ()
    assert pull.job_name == "jira_sync"


def test_a_process_killed_after_an_urgent_event_does_not_lose_its_pull(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    jira_is_on(monkeypatch)
    settings = load_settings()
    drop("OPS-1", "Highest")
    webhooks_inbox.process_inbox(settings)
    result = tick(instance)
    assert isinstance(result, dg.SensorResult)
    assert ([pull.job_name for pull in result.run_requests or ()], result.asset_events) == (["jira_sync"], [])
    begun = {"sync_id": "s1", "source": "jira", "started_by": "sensor", "mode": "live", "census": False}
    with transaction(settings) as connection:
        connection.execute(sa.insert(schema.syncs).values(**begun, status="running", started_at=datetime.now(UTC)))
    assert isinstance(tick(instance), dg.SkipReason)


def test_an_event_that_is_not_urgent_requests_no_pull(instance: dg.DagsterInstance) -> None:
    drop("OPS-2", "Medium")
    assert not tick_that_finds(instance).run_requests


def test_a_file_between_two_ticks_is_committed_before_the_next(instance: dg.DagsterInstance) -> None:
    tick(instance)
    drop("OPS-3", "Medium")
    deadline = time.monotonic() + 20
    while dropfiles.waiting(Home.of(load_settings()), 1):
        assert time.monotonic() < deadline, "the inbox is not processed"
        time.sleep(0.01)
    assert tick_that_finds(instance).asset_events, "and the next tick reports it"


def test_a_tick_fails_with_the_error_and_the_next_starts_again(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "triage.yaml"
    broken.write_text("rules: 7")
    monkeypatch.setenv("IMPULSUM_TRIAGE", str(broken))
    drop("OPS-4", "Medium")
    with pytest.raises(ImpulsumError, match="triage"):
        tick_that_finds(instance)
    broken.write_text(PACKAGED.read_text())
    assert tick_that_finds(instance).asset_events


def signal(number: int, severity: str = "P2") -> dict[str, Any]:
    return {
        "signal_id": f"blocked:{number}",
        "severity": severity,
        "subject_key": f"OPS-{number}",
        "subject_name": "Down the hill",
        "project": "OPS",
        "source": "jira",
        "why": "flagged for 3 days",
        "score": 61.4,
        "first_seen_at": NOW - timedelta(days=3),
        "evidence": '{"ids": ["issue:OPS-1"], "links": ["https://a.invalid/browse/OPS-1"]}',
    }


def states(settings: Settings) -> dict[str, tuple[str, str]]:
    with transaction(settings) as connection:
        found = connection.execute(sa.select(schema.alerts.c.key, schema.alerts.c.state, schema.alerts.c.priority))
        return {str(key): (str(state), str(priority)) for key, state, priority in found}


def test_each_open_signal_is_one_alert_until_it_ends(ops_settings: Settings) -> None:
    assert update_risk_alerts(ops_settings, [signal(1), signal(2)], at=NOW) == RiskAlerts(is_open=2, resolved=0)
    assert update_risk_alerts(ops_settings, [signal(1, "P1")], at=NOW + timedelta(minutes=10)) == RiskAlerts(
        is_open=1, resolved=1
    )
    assert states(ops_settings) == {
        "risk:blocked:1": ("open", "P1"),
        "risk:blocked:2": ("resolved", "P2"),
    }
    assert update_risk_alerts(ops_settings, [signal(1, "P1")], at=NOW + timedelta(minutes=20)) == RiskAlerts(
        is_open=1, resolved=0
    )
    assert update_risk_alerts(ops_settings, [], at=NOW + timedelta(minutes=30)) == RiskAlerts(is_open=0, resolved=1)
    assert {state for state, _ in states(ops_settings).values()} == {"resolved"}


def test_a_week_without_signals_raises_no_alert(ops_settings: Settings) -> None:
    for day in range(7):
        assert update_risk_alerts(ops_settings, [], at=NOW + timedelta(days=day)) == RiskAlerts(0, 0)
    assert states(ops_settings) == {}
