"""The sensor that fills the days which nobody closed: the daemon was stopped, the machine off, the source down.

Which days those are, :mod:`impulsum_pipelines.loading.closed_days` reads from what is held, so the sensor needs no
memory: a day that was filled is no longer missing, and while a run fills days nothing more is asked for. Live cursors
come first; then one short range of days a source, the newest first. Days whose tries failed come after all others, and
each alone, so that a day that cannot be read keeps no other from being filled. It all runs at low priority, and leaves
a source alone that failed.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import Any

import dagster as dg

from impulsum_pipelines.automation.jobs import sync_job_name
from impulsum_pipelines.automation.runs import RANGE, under_way, wait_after
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.closed_days import closing, in_words, ranges
from impulsum_pipelines.loading.history import CATCH_UP, STARTED_BY_TAG, recent
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import is_configured
from impulsum_pipelines.tiers import CATCH_UP as TIER
from impulsum_pipelines.tiers import SOURCES, Source

#: Days of one run: with a pool of one load a source, a live pull waits at most for so many.
MOST_DAYS = 7

#: The newest tries, in which is looked for days that failed.
_TRIES = 50


def build_catch_up(jobs: Sequence[Any]) -> dg.Definitions:
    """The sensor ``catch_up``, on by default.

    Args:
        jobs: those that pull the sources.
    """

    @dg.sensor(
        name="catch_up",
        jobs=jobs,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fills closed days that the nightly close missed, a few at a time, behind everything else.",
    )
    def catch_up(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return look(context.instance, load_settings(), datetime.now(UTC))

    return dg.Definitions(sensors=[catch_up])


def look(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> dg.SensorResult | dg.SkipReason:
    """What to ask for now, or in plain words what is missing and when it will be filled.

    Raises:
        ImpulsumError: the ops store cannot be used; the next tick tries again.
    """
    on = [source for source in SOURCES if is_configured(source.name, settings)]
    outlooks = [outlook for source in on if (outlook := _outlook(instance, settings, source, now))]
    requests = [outlook for outlook in outlooks if isinstance(outlook, dg.RunRequest)]
    if requests:
        return dg.SensorResult(run_requests=requests)
    if not on:
        return dg.SkipReason("Every source is off.")
    return dg.SkipReason(" ".join(map(str, outlooks)) or "No closed day is missing.")


def _outlook(
    instance: dg.DagsterInstance, settings: Settings, source: Source, now: datetime
) -> dg.RunRequest | str | None:
    """The run to ask for; else why to wait, None when nothing is missing."""
    try:
        with Home(settings.home, lock_seconds=0).read_raw(source.name) as connection:
            state = closing(connection, source.name, now, settings) if connection else None
    except ImpulsumError:
        return f"{source.title} is being loaded: looked at again in five minutes."
    if state is None or state.read_until is None or not state.never_closed:
        return None
    missing = f"{source.title} misses {in_words(state.never_closed)}"
    if run := under_way(instance, source.name, now):
        return f"{missing}: filled, or asked for, once run {run.run_id[:8]} is over."
    if state.read_until.date() <= state.never_closed[-1]:
        return f"{missing}: filled after the next live pull, which goes on from {state.read_until:%Y-%m-%d %H:%M} UTC."
    if reason := _resting(settings, source, now):
        return f"{missing}: {reason}."
    span = _next_days(state.never_closed, _failed_windows(settings, source))
    return dg.RunRequest(
        job_name=sync_job_name(source.name),
        tags={
            **dict(zip(RANGE, (day.isoformat() for day in span), strict=True)),
            "dagster/priority": str(TIER.priority),
            STARTED_BY_TAG: CATCH_UP,
        },
    )


def _next_days(missing: Sequence[date], failed: Sequence[tuple[datetime, datetime]]) -> tuple[date, date]:
    """First and last of the days to ask for: the newest of those that failed least often."""
    midnights = {day: datetime.combine(day, time(), UTC) for day in missing}
    failures = {day: sum(start <= at < end for start, end in failed) for day, at in midnights.items()}
    least = min(failures.values())
    first, last = ranges(day for day in missing if failures[day] == least)[-1]
    most = 1 if least else MOST_DAYS
    return max(first, last - timedelta(days=most - 1)), last


def _failed_windows(settings: Settings, source: Source) -> list[tuple[datetime, datetime]]:
    tries = recent(settings, source=source.name, started_by=CATCH_UP, limit=_TRIES)
    return [
        (sync["window_start"], sync["window_end"])
        for sync in tries
        if sync["status"] != "done" and sync["window_start"]
    ]


def _resting(settings: Settings, source: Source, now: datetime) -> str | None:
    """Why a source is left alone now: its newest sync failed, or the last tries to fill days did."""
    newest = recent(settings, source=source.name, limit=1)
    if newest and newest[0]["status"] != "done":
        return f"filled after the next pull that succeeds, since the newest one {_how(newest[0])}"
    tries = recent(settings, source=source.name, started_by=CATCH_UP, limit=8)
    failed = list(takewhile(lambda sync: sync["status"] != "done", tries))
    if failed:
        again = (failed[0]["finished_at"] or failed[0]["started_at"]) + wait_after(len(failed))
        if now < again:
            return f"filled after {again:%Y-%m-%d %H:%M} UTC, since the last try {_how(failed[0])}"
    return None


def _how(sync: dict[str, Any]) -> str:
    at = f"{sync['started_at']:%Y-%m-%d %H:%M} UTC"
    return f"of {at} is {sync['status']}" + (f" ({sync['error_category']})" if sync["error_category"] else "")
