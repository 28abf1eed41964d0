"""The schedules: when they tick, what they request, and when they skip."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from impulsum_pipelines.automation.runs import RANGE_TAGS, next_tick
from impulsum_pipelines.automation.schedules import build_schedules
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.history import Origin, recorded
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import ANALYTICAL, BUILDS, DECISION, SOURCES, TIERS


@pytest.fixture
def jira_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BASE_URL", "https://a.invalid"), ("EMAIL", "a@b.invalid"), ("API_TOKEN", "t")):
        monkeypatch.setenv(f"JIRA_{name}", value)


def schedule(name: str) -> dg.ScheduleDefinition:
    [found] = [schedule for schedule in build_schedules(load_settings()) if schedule.name == name]
    return found


def tick(name: str, instance: dg.DagsterInstance, at: str = "2026-11-18T09:15+00:00") -> dg.RunRequest | dg.SkipReason:
    """What the schedule requests at an instant."""
    requested = schedule(name)(
        dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime.fromisoformat(at))
    )
    assert isinstance(requested, dg.RunRequest | dg.SkipReason)
    return requested


def test_all_schedules_are_on_by_default() -> None:
    schedules = build_schedules(load_settings())
    pulls = {f"{source.name}_{kind}" for source in SOURCES for kind in ("live", "fallback")}
    expected = pulls | {build.schedule for build in BUILDS}
    assert {s.name for s in schedules} == expected
    assert all(s.default_status is dg.DefaultScheduleStatus.RUNNING for s in schedules)


def test_times_are_those_of_the_configured_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_TIMEZONE", "America/New_York")
    monkeypatch.setenv("IMPULSUM_BUSINESS_HOURS", "9-17")
    crons = {s.name: (s.cron_schedule, s.execution_timezone) for s in build_schedules(load_settings())}
    assert {zone for _, zone in crons.values()} == {"America/New_York"}
    assert {name: cron for name, (cron, _) in crons.items()} == {
        "jira_live": "*/10 9-16 * * 1-5",
        "github_live": "*/10 9-16 * * 1-5",
        "slack_live": "*/15 9-16 * * 1-5",
        "fireflies_live": "0 9-16 * * 1-5",
        "notion_live": "15 9-16 * * 1-5",
        "tempo_live": "*/30 9-16 * * 1-5",
        "jira_fallback": "5-59/10 9-16 * * 1-5",
        "github_fallback": "5-59/10 9-16 * * 1-5",
        "slack_fallback": "5-59/15,10-59/15 9-16 * * 1-5",
        "fireflies_fallback": "20,40 9-16 * * 1-5",
        "notion_fallback": "0,30,45 9-16 * * 1-5",
        "tempo_fallback": "10-59/30,20-59/30 9-16 * * 1-5",
        "risk": "2-59/10 9-16 * * 1-5",
        "marts": "30 9-16/2 * * 1-5",
        "nightly_close": "0 2 * * *",
        "weekly_rebuild": "0 3 * * 0",
        "weekly_tables": "0 7 * * 1",
    }


@pytest.mark.parametrize(("name", "minute"), [("jira_live", 0), ("slack_fallback", 5), ("marts", 30)])
def test_one_business_hour_is_that_hour_alone(name: str, minute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_BUSINESS_HOURS", "8-9")
    monday = datetime(2026, 11, 16, 13, tzinfo=UTC)
    tuesday = datetime(2026, 11, 17, 8, minute, tzinfo=UTC)
    assert next_tick(str(schedule(name).cron_schedule), "UTC", monday) == tuesday


def test_every_tier_is_kept_by_a_schedule_a_sensor_or_another_tier() -> None:
    scheduled = {source.tier for source in SOURCES} | {build.tier for build in BUILDS}
    assert {tier.name for tier in TIERS if (tier.kept_by or tier) not in scheduled} == {"critical", "catch-up"}
    assert [tier.name for tier in TIERS if tier.kept_by and tier in scheduled] == []


def test_the_decision_tier_is_kept_by_a_more_frequent_build() -> None:
    marts, zone = schedule("marts"), ZoneInfo(load_settings().impulsum_timezone)
    assert DECISION.kept_by is ANALYTICAL and "Tier decision: trends and portfolio" in (marts.description or "")
    ticks = [datetime(2026, 11, 18, 8, tzinfo=zone)]
    while ticks[-1].hour < 15:
        ticks.append(next_tick(str(marts.cron_schedule), str(zone), ticks[-1]))
    assert max(later - earlier for earlier, later in pairwise(ticks)) <= timedelta(hours=3)


@pytest.mark.usefixtures("jira_is_on")
def test_risk_waits_for_the_first_complete_build(instance: dg.DagsterInstance) -> None:
    skipped = tick("risk", instance)
    assert isinstance(skipped, dg.SkipReason) and "no complete build" in str(skipped.skip_message)
    home = Home.of(load_settings())
    home.root.mkdir(exist_ok=True)
    home.published.touch()
    assert isinstance(tick("risk", instance), dg.SkipReason), "restored without the warehouse"
    home.warehouse.touch()
    requested = tick("risk", instance)
    assert isinstance(requested, dg.RunRequest)
    backfill = -10
    assert int(requested.tags["dagster/priority"]) > int(tick_of("marts", instance).tags["dagster/priority"]) > backfill


def tick_of(name: str, instance: dg.DagsterInstance) -> dg.RunRequest:
    """The run that a schedule requests; it must not skip."""
    requested = tick(name, instance)
    assert isinstance(requested, dg.RunRequest)
    return requested


@pytest.mark.usefixtures("jira_is_on")
def test_a_build_that_outlasts_its_cadence_does_not_pile_up(instance: dg.DagsterInstance) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="build")
    def building() -> None:
        nothing()

    run = instance.create_run_for_job(building, status=dg.DagsterRunStatus.STARTED)
    now = datetime.now(UTC).isoformat()
    skipped = tick("marts", instance, at=now)
    assert isinstance(skipped, dg.SkipReason) and run.run_id in str(skipped.skip_message)
    instance.delete_run(run.run_id)
    assert isinstance(tick("marts", instance, at=now), dg.RunRequest)


@pytest.mark.usefixtures("jira_is_on")
def test_live_pulls_the_open_day_in_utc(instance: dg.DagsterInstance) -> None:
    requested = tick("jira_live", instance, at="2026-11-18T22:15-05:00")
    assert isinstance(requested, dg.RunRequest)
    assert requested.partition_key == "2026-11-19"
    assert int(requested.tags["dagster/priority"]) > 0


@pytest.mark.parametrize("name", ["jira_live", "jira_fallback", "nightly_close", "marts"])
def test_a_source_that_is_off_is_skipped(name: str, instance: dg.DagsterInstance) -> None:
    skipped = tick(name, instance)
    assert isinstance(skipped, dg.SkipReason)
    assert "off" in str(skipped.skip_message)


@pytest.mark.usefixtures("jira_is_on")
def test_live_skips_while_a_sync_runs_no_matter_what_started_it(instance: dg.DagsterInstance) -> None:
    with Home.of(load_settings()).writing("jira.sync"):
        assert isinstance(tick("jira_live", instance), dg.SkipReason)
    assert isinstance(tick("jira_live", instance), dg.RunRequest)


@pytest.mark.usefixtures("jira_is_on")
def test_live_skips_while_a_pull_is_queued(instance: dg.DagsterInstance) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="jira_sync")
    def waiting() -> None:
        nothing()

    run = instance.create_run_for_job(waiting, status=dg.DagsterRunStatus.NOT_STARTED)
    now = datetime.now(ZoneInfo("Asia/Tokyo")).isoformat()
    skipped = tick("jira_live", instance, at=now)
    assert isinstance(skipped, dg.SkipReason)
    assert run.run_id in str(skipped.skip_message)
    instance.delete_run(run.run_id)
    assert isinstance(tick("jira_live", instance, at=now), dg.RunRequest)


@pytest.mark.usefixtures("jira_is_on")
def test_live_is_queued_behind_a_run_that_fills_days(instance: dg.DagsterInstance) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="jira_sync")
    def filling() -> None:
        nothing()

    now, settings = datetime.now(UTC), load_settings()
    tags = dict.fromkeys(RANGE_TAGS, (now - timedelta(days=1)).date().isoformat())
    instance.create_run_for_job(filling, status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)
    assert isinstance(tick("jira_live", instance, at=now.isoformat()), dg.RunRequest)

    window = (now - timedelta(days=2), now - timedelta(days=1))
    begun: dict[str, Any] = {"source": "jira", "origin": Origin("backfill"), "census": False, "started_at": now}
    with Home.of(settings).writing("jira.sync"), recorded(settings, sync_id="1", window=window, **begun):
        assert isinstance(tick("jira_live", instance, at=now.isoformat()), dg.RunRequest)
    with Home.of(settings).writing("jira.sync"), recorded(settings, sync_id="2", window=None, **begun):
        assert isinstance(tick("jira_live", instance, at=now.isoformat()), dg.SkipReason)


@pytest.mark.usefixtures("jira_is_on")
def test_the_night_closes_yesterday_with_a_census(instance: dg.DagsterInstance) -> None:
    requested = tick("nightly_close", instance, at="2026-11-18T02:00+00:00")
    assert isinstance(requested, dg.RunRequest)
    assert requested.tags["dagster/asset_partition_range_start"] == "2026-11-17"
    assert requested.tags["dagster/asset_partition_range_end"] == "2026-11-18"
    assert requested.run_config == {"ops": {"jira_pull": {"config": {"census": True}}}}
