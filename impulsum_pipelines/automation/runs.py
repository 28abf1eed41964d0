"""Queries about Dagster's runs and schedules: unfinished runs, the next tick, the pause after failures.

Dagster has no public API for the next tick and for stopped schedules, so this module uses its private names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._utils.schedules import cron_string_iterator

from impulsum_pipelines.automation.jobs import PULLING_ALL, sync_job_name
from impulsum_pipelines.loading.partitions import OLD_DAYS_TAG, RANGE_TAGS

#: Dagster's tag for the partition of a run.
_DAY_TAG = "dagster/partition"

_WAITING = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)

#: A run older than this is ignored: the daemon has lost it, and schedules must not wait for it for ever.
_IGNORED_AFTER = timedelta(hours=6)

_FIRST_DELAY, _LONGEST_DELAY = timedelta(minutes=10), timedelta(hours=6)


def unfinished_run(instance: dg.DagsterInstance, job: str, now: datetime) -> dg.DagsterRun | None:
    """A queued or running run of the job. Runs that take longer than their cadence must not pile up."""
    return next(_runs(instance, [job], (*_WAITING, dg.DagsterRunStatus.STARTED), now), None)


def queued_live_pull(instance: dg.DagsterInstance, source: str, now: datetime) -> dg.DagsterRun | None:
    """A queued run that will pull the source live. Runs of one source must not pile up behind a slow one."""
    today = now.astimezone(UTC).date().isoformat()
    runs = _runs(instance, _pulling_jobs(source), _WAITING, now)
    queued = (run for run in runs if OLD_DAYS_TAG not in run.tags)
    return next((run for run in queued if run.tags.get(RANGE_TAGS[1], run.tags.get(_DAY_TAG, today)) >= today), None)


def unfinished_pull(instance: dg.DagsterInstance, source: str, now: datetime) -> dg.DagsterRun | None:
    """A queued or running run that pulls the source, live or a window."""
    return next(_runs(instance, _pulling_jobs(source), (*_WAITING, dg.DagsterRunStatus.STARTED), now), None)


def _pulling_jobs(source: str) -> tuple[str, ...]:
    return sync_job_name(source), *PULLING_ALL


def _runs(
    instance: dg.DagsterInstance, jobs: Sequence[str], statuses: Sequence[dg.DagsterRunStatus], now: datetime
) -> Iterator[dg.DagsterRun]:
    """The runs of the jobs with one of the statuses, without those that are ignored by age."""
    for job in jobs:
        # In UTC, because Dagster drops the zone without converting.
        since = now.astimezone(UTC) - _IGNORED_AFTER
        wanted = dg.RunsFilter(job_name=job, statuses=list(statuses), created_after=since)
        yield from instance.get_runs(wanted)


def next_tick(cron_line: str, zone: str, now: datetime) -> datetime:
    """The first tick of a cron line after ``now``.

    Args:
        cron_line: five fields.
        zone: IANA name of the zone of the cron line.
        now: with a time zone.
    """
    return next(cron_string_iterator((now + timedelta(seconds=1)).timestamp(), cron_line, zone))


def is_stopped(instance: dg.DagsterInstance, schedule: str) -> bool:
    """Whether somebody stopped a schedule that is on by default."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    known = [state.status for state in states if state.instigator_name == schedule]
    return bool(known) and all(status is InstigatorStatus.STOPPED for status in known)


def retry_delay(failures: int) -> timedelta:
    """The pause after this many failures in a row: 10 minutes, doubled with each failure, at most 6 hours."""
    return min(_FIRST_DELAY * 2 ** (failures - 1), _LONGEST_DELAY) if failures else timedelta(0)
