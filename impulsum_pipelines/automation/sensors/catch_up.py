"""The sensor ``catch_up``: pulls closed days that are missing because the daemon, the machine or the source was down.

:mod:`impulsum_pipelines.loading.closed_days` finds these days in the raw file, so the sensor stores nothing: a filled
day is no longer missing, and while a run fills days the sensor requests nothing more. Live pulls come first; then one
short range of days per source, the newest first. Days that failed before come after all others, and each alone, so
that a day that cannot be read does not block the others. All of it runs at low priority, and pauses for a source whose
pulls fail.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import Any

import dagster as dg

from impulsum_pipelines.automation.jobs import Job, pull_config, sync_job_name
from impulsum_pipelines.automation.runs import retry_delay, unfinished_pull
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.closed_days import closing, in_words, ranges
from impulsum_pipelines.loading.history import CATCH_UP, STARTED_BY_TAG, recent
from impulsum_pipelines.loading.partitions import reading
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import is_configured
from impulsum_pipelines.tiers import CATCH_UP as TIER
from impulsum_pipelines.tiers import SOURCES, Source

#: The most days of one run. A source loads one run at a time, so a live pull waits for at most this many days.
MOST_DAYS = 7

#: How many of the newest attempts are searched for days that failed.
_ATTEMPTS = 50


def build_catch_up(jobs: Sequence[Job]) -> dg.Definitions:
    """The sensor ``catch_up``, on by default.

    Args:
        jobs: the jobs that pull the sources.
    """
    return dg.Definitions(
        sensors=[
            dg.SensorDefinition(
                name="catch_up",
                evaluation_fn=_tick,
                jobs=jobs,
                minimum_interval_seconds=300,
                default_status=dg.DefaultSensorStatus.RUNNING,
                description="Pulls closed days that the nightly close missed, a few at a time, at low priority.",
            )
        ]
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    return request_missing_days(context.instance, load_settings(), datetime.now(UTC))


def request_missing_days(
    instance: dg.DagsterInstance, settings: Settings, now: datetime
) -> dg.SensorResult | dg.SkipReason:
    """The runs that fill missing days, at most one per source; or what is missing, and when it will be filled.

    Raises:
        ImpulsumError: the ops store cannot be used; the next tick tries again.
    """
    on = [source for source in SOURCES if is_configured(source.name, settings)]
    plans = [plan for source in on if (plan := _plan(instance, settings, source, now))]
    requests = [plan for plan in plans if isinstance(plan, dg.RunRequest)]
    if requests:
        return dg.SensorResult(run_requests=requests)
    if not on:
        return dg.SkipReason("Every source is off.")
    return dg.SkipReason(" ".join(map(str, plans)) or "No closed day is missing.")


def _plan(
    instance: dg.DagsterInstance, settings: Settings, source: Source, now: datetime
) -> dg.RunRequest | str | None:
    """The run to request, or why to wait; None when nothing is missing."""
    try:
        with Home(settings.home, lock_seconds=0).read_raw(source.name) as connection:
            state = closing(connection, source.name, now, settings) if connection else None
    except ImpulsumError:
        return f"{source.title} is being loaded: checked again in five minutes."
    if state is None or state.read_until is None or not state.never_closed:
        return None
    missing = f"{source.title} misses {in_words(state.never_closed)}"
    if run := unfinished_pull(instance, source.name, now):
        return f"{missing}: filled by run {run.run_id[:8]}, or by one after it."
    if state.read_until.date() <= state.never_closed[-1]:
        return f"{missing}: filled after the next live pull, which reads from {state.read_until:%Y-%m-%d %H:%M} UTC."
    if reason := _why_paused(settings, source, now):
        return f"{missing}: {reason}."
    tags, days = reading(*_next_days(state.never_closed, _failed_windows(settings, source)), settings)
    return dg.RunRequest(
        job_name=sync_job_name(source.name),
        run_config={"ops": pull_config(source.name, **days)} if days else None,
        tags={
            **tags,
            "dagster/priority": str(TIER.priority),
            STARTED_BY_TAG: CATCH_UP,
        },
    )


def _next_days(missing: Sequence[date], failed: Sequence[tuple[datetime, datetime]]) -> tuple[date, date]:
    """The first and last day to request: the newest range among the days that failed least often."""
    midnights = {day: datetime.combine(day, time(), UTC) for day in missing}
    failures = {day: sum(start <= at < end for start, end in failed) for day, at in midnights.items()}
    least = min(failures.values())
    first, last = ranges(day for day in missing if failures[day] == least)[-1]
    most = 1 if least else MOST_DAYS
    return max(first, last - timedelta(days=most - 1)), last


def _failed_windows(settings: Settings, source: Source) -> list[tuple[datetime, datetime]]:
    attempts = recent(settings, source=source.name, started_by=CATCH_UP, limit=_ATTEMPTS)
    return [
        (sync["window_start"], sync["window_end"])
        for sync in attempts
        if sync["status"] != "done" and sync["window_start"]
    ]


def _why_paused(settings: Settings, source: Source, now: datetime) -> str | None:
    """Why nothing is requested for a source now: its newest sync failed, or the last attempts to fill days did."""
    newest = recent(settings, source=source.name, limit=1)
    if newest and newest[0]["status"] != "done":
        return f"filled after the next pull that succeeds, since the newest one {_outcome(newest[0])}"
    attempts = recent(settings, source=source.name, started_by=CATCH_UP, limit=8)
    failed = list(takewhile(lambda sync: sync["status"] != "done", attempts))
    if failed:
        again = (failed[0]["finished_at"] or failed[0]["started_at"]) + retry_delay(len(failed))
        if now < again:
            return f"filled after {again:%Y-%m-%d %H:%M} UTC, since the last catch-up {_outcome(failed[0])}"
    return None


def _outcome(sync: dict[str, Any]) -> str:
    at = f"{sync['started_at']:%Y-%m-%d %H:%M} UTC"
    return f"at {at} is {sync['status']}" + (f" ({sync['error_category']})" if sync["error_category"] else "")
