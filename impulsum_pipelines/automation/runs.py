"""Which runs wait or go on, when a schedule ticks next, and how long to wait after failures.

Dagster has no public way to ask for the next tick and for a stopped schedule, so its private names are here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._utils.schedules import cron_string_iterator

from impulsum_pipelines.automation.jobs import PULLING_ALL, sync_job_name

#: Tags of the partition of a run, and of its range of partitions, as Dagster reads them.
_DAY, RANGE = "dagster/partition", ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")

_WAITING = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)

#: A run that waited longer was forgotten by its daemon; the schedule must not wait with it for ever.
_GIVEN_UP_AFTER = timedelta(hours=6)

_FIRST, _LONGEST = timedelta(minutes=10), timedelta(hours=6)


def unfinished(instance: dg.DagsterInstance, job: str, now: datetime) -> dg.DagsterRun | None:
    """A run of the job that waits or runs: one that takes longer than its cadence must not pile up."""
    return next(_runs(instance, [job], (*_WAITING, dg.DagsterRunStatus.STARTED), now), None)


def waiting_to_pull(instance: dg.DagsterInstance, source: str, now: datetime) -> dg.DagsterRun | None:
    """A run that will pull the source live; runs of one source must not pile up behind a slow one."""
    today = now.astimezone(UTC).date().isoformat()
    waiting = _runs(instance, _pulling_jobs(source), _WAITING, now)
    return next((run for run in waiting if run.tags.get(RANGE[1], run.tags.get(_DAY, today)) >= today), None)


def under_way(instance: dg.DagsterInstance, source: str, now: datetime) -> dg.DagsterRun | None:
    """A run that will pull the source or does so, live or a window."""
    return next(_runs(instance, _pulling_jobs(source), (*_WAITING, dg.DagsterRunStatus.STARTED), now), None)


def _pulling_jobs(source: str) -> tuple[str, ...]:
    return sync_job_name(source), *PULLING_ALL


def _runs(
    instance: dg.DagsterInstance, jobs: Sequence[str], statuses: Sequence[dg.DagsterRunStatus], now: datetime
) -> Iterator[dg.DagsterRun]:
    """The runs of the jobs in one of the states, without those that were given up."""
    for job in jobs:
        # In UTC, since Dagster drops the zone without a look at it.
        since = now.astimezone(UTC) - _GIVEN_UP_AFTER
        wanted = dg.RunsFilter(job_name=job, statuses=list(statuses), created_after=since)
        yield from instance.get_runs(wanted)


def next_tick(cron_line: str, zone: str, now: datetime) -> datetime:
    """The first instant after now that a cron line names.

    Args:
        cron_line: with five fields.
        zone: IANA zone in which it is meant.
        now: the instant.
    """
    return next(cron_string_iterator((now + timedelta(seconds=1)).timestamp(), cron_line, zone))


def is_stopped(instance: dg.DagsterInstance, schedule: str) -> bool:
    """Whether somebody has stopped a schedule that is on by default."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    known = [state.status for state in states if state.instigator_name == schedule]
    return bool(known) and all(status is InstigatorStatus.STOPPED for status in known)


def wait_after(failures: int) -> timedelta:
    """From the end of the last of so many failures in a row to the next try."""
    return min(_FIRST * 2 ** (failures - 1), _LONGEST) if failures else timedelta(0)
