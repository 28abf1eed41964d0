"""The schedules, derived from the tiers: live pulls, risk, the marts, the nightly close. All are on by default.

Each source has two: ``<source>_live``, and ``<source>_fallback``, which adds pulls while the source's webhooks are
silent.

Cron times are in ``IMPULSUM_TIMEZONE``; partitions are UTC days.
"""

from __future__ import annotations

from datetime import UTC, timedelta

import dagster as dg

from impulsum_pipelines.automation.jobs import pull_config, sync_job_name
from impulsum_pipelines.automation.runs import queued_live_pull, unfinished_run
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.history import recent
from impulsum_pipelines.loading.partitions import RANGE_TAGS
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import is_configured, why_off
from impulsum_pipelines.tiers import BUILDS, SOURCES, TIERS, Build, Source

#: The job of the nightly close.
_NIGHTLY = "nightly"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Every schedule: two per source, and those of :data:`impulsum_pipelines.tiers.BUILDS`."""
    return [
        *(_live(source, settings) for source in SOURCES),
        *(_fallback(source, settings) for source in SOURCES),
        *(
            _nightly_close(build, settings) if build.job == _NIGHTLY else _build_schedule(build, settings)
            for build in BUILDS
        ),
    ]


def cron(line: str, settings: Settings) -> str:
    """A cron line of the tiers, with the business hours filled in."""
    first, after = settings.business_hours
    if after - first == 1:  # Dagster reads a range such as 8-8 as every hour
        return line.replace("{hours}/2", str(first)).replace("{hours}", str(first))
    return line.replace("{hours}", f"{first}-{after - 1}")


def _live(source: Source, settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{source.name}_live",
        job_name=sync_job_name(source.name),
        cron_schedule=cron(source.cron, settings),
        execution_timezone=settings.impulsum_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Pulls changes from {source.title}. Tier {source.tier.name}: {source.tier.cadence}.",
    )
    def live(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _pull(context, source, load_settings())

    return live


def _fallback(source: Source, settings: Settings) -> dg.ScheduleDefinition:
    every = round(source.fallback_every / timedelta(minutes=1))

    @dg.schedule(
        name=f"{source.name}_fallback",
        job_name=sync_job_name(source.name),
        cron_schedule=cron(source.fallback_cron, settings),
        execution_timezone=settings.impulsum_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"While the webhooks of {source.title} are silent, pulls between the ticks of {source.name}_live, "
        f"so that there is a pull every {every} minutes. Otherwise it skips.",
    )
    def fallback(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from impulsum_pipelines.webhooks.health.report import is_silent

        current = load_settings()
        if not why_off(source.name, current) and not is_silent(current, source.name):
            return dg.SkipReason(f"The webhooks of {source.title} are not silent, so {source.name}_live is enough.")
        return _pull(context, source, current)

    return fallback


def _pull(context: dg.ScheduleEvaluationContext, source: Source, settings: Settings) -> dg.RunRequest | dg.SkipReason:
    """A live pull, unless one is running or queued."""
    if reason := why_off(source.name, settings):
        return dg.SkipReason(f"{source.title} is off: {reason}.")
    if _is_pulling_live(settings, source.name):
        return dg.SkipReason(f"A pull of {source.title} is running.")
    if queued := queued_live_pull(context.instance, source.name, context.scheduled_execution_time):
        return dg.SkipReason(f"Run {queued.run_id} is queued and will pull {source.title}.")
    day = context.scheduled_execution_time.astimezone(UTC).date()
    return dg.RunRequest(partition_key=day.isoformat(), tags={"dagster/priority": str(source.priority)})


def _nightly_close(build: Build, settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=build.schedule,
        job_name=build.job,
        cron_schedule=cron(build.cron, settings),
        execution_timezone=settings.impulsum_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Closes yesterday: reads that day again, pulls live with a census, builds and publishes.",
    )
    def nightly_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        current = load_settings()
        on = [source.name for source in SOURCES if is_configured(source.name, current)]
        if not on:
            return dg.SkipReason("Every source is off.")
        today = context.scheduled_execution_time.astimezone(UTC).date()
        span = (today - timedelta(days=1), today)
        config = {name: value for source in on for name, value in pull_config(source, census=True).items()}
        return dg.RunRequest(
            run_config={"ops": config},
            tags=dict(zip(RANGE_TAGS, (day.isoformat() for day in span), strict=True)),
        )

    return nightly_close


def _build_schedule(build: Build, settings: Settings) -> dg.ScheduleDefinition:
    kept = [build.tier, *(tier for tier in TIERS if tier.kept_by is build.tier)]

    @dg.schedule(
        name=build.schedule,
        job_name=build.job,
        cron_schedule=cron(build.cron, settings),
        execution_timezone=settings.impulsum_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=" ".join(
            [f"Runs {build.job}.", *(f"Tier {tier.name}: {tier.promise}, {tier.cadence}." for tier in kept)]
        ),
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        current = load_settings()
        if not any(is_configured(source.name, current) for source in SOURCES):
            return dg.SkipReason("Every source is off.")
        home = Home.of(current)
        if build.job == "risk" and not (home.warehouse.exists() and home.published.exists()):
            return dg.SkipReason(
                "There is no complete build yet. The schedule marts or `impulsum build` makes the first one."
            )
        if run := unfinished_run(context.instance, build.job, context.scheduled_execution_time):
            return dg.SkipReason(f"Run {run.run_id} of {build.job} has not finished.")
        return dg.RunRequest(tags={"dagster/priority": str(build.tier.priority)})

    return tick


def _is_pulling_live(settings: Settings, source: str) -> bool:
    """Whether a live sync of the source is running, no matter what started it.

    The source's sync lock says so; a process that is killed releases it. While a window is read, the answer is no: the
    live pull is queued and runs next, instead of skipping every tick until a backfill has finished.
    """
    try:
        with Home(settings.home, lock_seconds=0).writing(f"{source}.sync"):
            return False
    except ImpulsumError:
        return not _is_reading_a_window(settings, source)


def _is_reading_a_window(settings: Settings, source: str) -> bool:
    try:
        newest = recent(settings, source=source, limit=1)
    except ImpulsumError:
        return False
    return any(sync["status"] == "running" and sync["mode"] == "window" for sync in newest)
