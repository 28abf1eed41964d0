"""The sensor that compares webhooks with pulls, and the schedules that pull faster while webhooks are silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from impulsum_pipelines.automation.jobs import build_sync_jobs
from impulsum_pipelines.automation.schedules import build_schedules
from impulsum_pipelines.automation.sensors.webhook_health import HEALTH, build_webhook_health
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES, Source
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.webhooks.health.team import RawFileTeam, SandboxTeam


@pytest.fixture
def jira_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BASE_URL", "https://a.invalid"), ("EMAIL", "a@b.invalid"), ("API_TOKEN", "t")):
        monkeypatch.setenv(f"JIRA_{name}", value)


def sensor_tick(instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    [sensor] = build_webhook_health(build_sync_jobs()).sensors or ()
    assert isinstance(sensor, dg.SensorDefinition)
    result: Any = sensor._raw_fn(dg.build_sensor_context(instance=instance))  # before Dagster takes it apart
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def fallback_tick(instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    [schedule] = [schedule for schedule in build_schedules(load_settings()) if schedule.name == "jira_fallback"]
    at = datetime(2026, 11, 18, 9, 5, tzinfo=UTC)
    requested = schedule(dg.build_schedule_context(instance=instance, scheduled_execution_time=at))
    assert isinstance(requested, dg.RunRequest | dg.SkipReason)
    return requested


def test_a_tick_checks_once_after_each_pull_no_matter_what_started_it(
    instance: dg.DagsterInstance, sandbox: SandboxFactory
) -> None:
    now = datetime.now(UTC)
    team = SandboxTeam(sandbox(issues=12, now=now.isoformat()))
    team.edit(delivered=True)
    assert isinstance(sensor_tick(instance), dg.SkipReason)
    team.pull()
    checked = sensor_tick(instance)
    assert isinstance(checked, dg.SensorResult)
    [event] = checked.asset_events
    assert event.asset_key == HEALTH
    assert event.metadata["jira: mode"].value == "webhooks"
    assert event.metadata["jira: events that no pull shows"].value == 0
    assert isinstance(sensor_tick(instance), dg.SkipReason)


@pytest.mark.usefixtures("jira_is_on")
def test_a_day_whose_events_no_pull_shows_is_read_again_with_the_lowest_priority(instance: dg.DagsterInstance) -> None:
    team = RawFileTeam(datetime.now(UTC) - timedelta(days=2))
    team.edit(delivered=True)
    team.pull_and_check()
    hidden = team.edit(delivered=True)
    team.changed.clear()
    team.wait(40)
    assert team.pull_and_check().unseen == 1
    requested = sensor_tick(instance)
    assert isinstance(requested, dg.SensorResult)
    [run] = requested.run_requests or ()
    day = hidden["updated"][:10]  # before the partitions, which begin yesterday
    assert run.job_name == "jira_sync"
    assert run.run_config["ops"]["jira_pull"]["config"] == {"since": day, "until": day}
    assert int(run.tags["dagster/priority"]) < 0
    [again] = list(getattr(sensor_tick(instance), "run_requests", ()))
    assert again.run_key == run.run_key, "Dagster starts one run per key"


@pytest.mark.usefixtures("jira_is_on")
def test_the_fallback_schedule_pulls_only_while_webhooks_are_silent(instance: dg.DagsterInstance) -> None:
    skipped = fallback_tick(instance)
    assert isinstance(skipped, dg.SkipReason) and "jira_live is enough" in str(skipped.skip_message)
    team = RawFileTeam(datetime(2026, 11, 18, 8, tzinfo=UTC))
    team.edit(delivered=True)
    team.work(6, delivered=False)
    team.wait(12)
    assert team.pull_and_check().is_silent
    requested = fallback_tick(instance)
    assert isinstance(requested, dg.RunRequest)
    assert requested.partition_key == "2026-11-18"
    team.work(3, delivered=True)
    assert not team.pull_and_check().is_silent
    assert isinstance(fallback_tick(instance), dg.SkipReason)


def minutes(field: str) -> list[int]:
    """The minutes of an hour that a cron field names."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0-59" if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return sorted(found)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_live_and_fallback_ticks_make_one_even_cadence(source: Source) -> None:
    live, between = minutes(source.minutes), minutes(source.fallback_minutes)
    assert not set(live) & set(between), "both would pull at once"
    ticks = sorted([*live, *between])
    gaps = {(after - before) % 60 for before, after in zip(ticks, [*ticks[1:], ticks[0]], strict=True)}
    assert gaps == {source.fallback_every.total_seconds() / 60}
