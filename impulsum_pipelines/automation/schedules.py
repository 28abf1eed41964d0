"""The schedules, derived from the tiers: live pulls, the nightly close, the marts. All are on by default.

Cron times are in ``IMPULSUM_TIMEZONE``; partitions are UTC days.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from impulsum_pipelines.automation.jobs import PULLING_ALL, pull_config, sync_job_name
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.files import Home
from impulsum_pipelines.loading.raw import is_configured, why_off
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import TIERS, Tier

#: Tags of the partition range of a run, as Dagster reads them.
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")

_WAITING = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)

#: A run that waited longer was forgotten by its daemon; the schedule must not wait with it for ever.
_GIVEN_UP_AFTER = timedelta(hours=6)

_MARTS_EVERY_HOURS = 2
_NIGHTLY = "0 2 * * *"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Every schedule: ``<source>_live`` per source, ``nightly_close`` and ``marts``."""
    return [*(_live(tier, settings) for tier in TIERS), _nightly_close(settings), _marts(settings)]


def live_cron(every_minutes: int, settings: Settings) -> str:
    """Every so many minutes in the business hours of Monday to Friday; an hour or more means whole hours."""
    first, last = settings.business_hours
    if every_minutes < 60:
        return f"*/{every_minutes} {first}-{last - 1} * * 1-5"
    return f"0 {first}-{last - 1}/{every_minutes // 60} * * 1-5"


def _live(tier: Tier, settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{tier.source}_live",
        job_name=sync_job_name(tier.source),
        cron_schedule=live_cron(tier.every_minutes, settings),
        execution_timezone=settings.impulsum_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Pulls what changed in {tier.title}, every {tier.every_minutes} minutes of the working day.",
    )
    def live(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        current = load_settings()
        if reason := why_off(tier.source, current):
            return dg.SkipReason(f"{tier.title} is off: {reason}.")
        if _pulling(current, tier.source):
            return dg.SkipReason(f"{tier.title} is being pulled.")
        if waiting := waiting_to_pull(context.instance, tier.source, context.scheduled_execution_time):
            return dg.SkipReason(f"Run {waiting.run_id} waits to pull {tier.title}.")
        day = context.scheduled_execution_time.astimezone(UTC).date()
        return dg.RunRequest(partition_key=day.isoformat(), tags={"dagster/priority": str(tier.priority)})

    return live


def _nightly_close(settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="nightly_close",
        job_name="nightly",
        cron_schedule=_NIGHTLY,
        execution_timezone=settings.impulsum_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Closes yesterday: reads its day again, then pulls live with a census, builds and publishes.",
    )
    def nightly_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        current = load_settings()
        on = [tier.source for tier in TIERS if is_configured(tier.source, current)]
        if not on:
            return dg.SkipReason("Every source is off.")
        today = context.scheduled_execution_time.astimezone(UTC).date()
        span = (today - timedelta(days=1), today)
        config = {name: value for source in on for name, value in pull_config(source, census=True).items()}
        return dg.RunRequest(
            run_config={"ops": config},
            tags=dict(zip(_RANGE, (day.isoformat() for day in span), strict=True)),
        )

    return nightly_close


def _marts(settings: Settings) -> dg.ScheduleDefinition:
    first, last = settings.business_hours

    @dg.schedule(
        name="marts",
        job_name="build",
        cron_schedule=f"30 {first}-{last - 1}/{_MARTS_EVERY_HOURS} * * 1-5",
        execution_timezone=settings.impulsum_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Builds the marts and publishes, every {_MARTS_EVERY_HOURS} hours of the working day.",
    )
    def marts(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        current = load_settings()
        if not any(is_configured(tier.source, current) for tier in TIERS):
            return dg.SkipReason("Every source is off.")
        return dg.RunRequest()

    return marts


def _pulling(settings: Settings, source: str) -> bool:
    """Whether a sync of the source runs, from whichever door: its lock says so, and is freed if it is killed."""
    try:
        with Home(settings.home, lock_seconds=0).writing(f"{source}.sync"):
            return False
    except ImpulsumError:
        return True


def waiting_to_pull(instance: dg.DagsterInstance, source: str, now: datetime) -> dg.DagsterRun | None:
    """A run that will pull the source; runs of one source must not pile up behind a slow one."""
    for job in (sync_job_name(source), *PULLING_ALL):
        queued = dg.RunsFilter(job_name=job, statuses=list(_WAITING), created_after=now - _GIVEN_UP_AFTER)
        for run in instance.get_runs(queued, limit=1):
            return run
    return None
