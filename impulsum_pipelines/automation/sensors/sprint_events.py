"""The sensor that has a sprint read whole, with its board, when it was started or completed.

Velocity rests on what was in a sprint at these two instants, and a live pull reads only what a search finds changed.
Which sprints wait follows from what is kept anyway: the events in the ops store, and the runs of the job. So nothing is
lost in a crash, a run that failed is asked for again after a while, and events that come together share one run.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import dagster as dg
import sqlalchemy as sa

from impulsum_pipelines.automation.jobs import SPRINT_REFRESH, pull_config
from impulsum_pipelines.automation.runs import unfinished, wait_after
from impulsum_pipelines.ops.schema import events
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import why_off
from impulsum_pipelines.tiers import ALERT

TYPES = ("sprint_started", "sprint_closed")

#: For how long an event is acted on: after two nights its day was read again by the nightly close.
LOOK_BACK = timedelta(days=2)


def build_sprint_events(jobs: Sequence[Any]) -> dg.Definitions:
    """The sensor ``sprint_events``, on by default.

    Args:
        jobs: those among which is :data:`impulsum_pipelines.automation.jobs.SPRINT_REFRESH`.
    """

    @dg.sensor(
        name="sprint_events",
        job=next(job for job in jobs if job.name == SPRINT_REFRESH),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has a sprint that was started or completed read whole, with its board, and the marts built.",
    )
    def sprint_events(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return look(context.instance, load_settings(), datetime.now(UTC))

    return dg.Definitions(sensors=[sprint_events])


def look(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> dg.RunRequest | dg.SkipReason:
    """The run to ask for now, or why none.

    Raises:
        ImpulsumError: the ops store cannot be used; the next tick tries again.
    """
    if reason := why_off("jira", settings):
        return dg.SkipReason(f"Jira is off: {reason}.")
    told = _told(settings, now - LOOK_BACK)
    runs = instance.get_run_records(dg.RunsFilter(job_name=SPRINT_REFRESH, created_after=now - LOOK_BACK))
    waiting = sorted(sprint for sprint, at in told.items() if not any(_has_read(run, sprint, at) for run in runs))
    if not waiting:
        return dg.SkipReason("No sprint that was started or completed waits to be read.")
    named = ", ".join(waiting)
    if run := unfinished(instance, SPRINT_REFRESH, now):
        return dg.SkipReason(f"Run {run.run_id[:8]} is not over; then follows what it does not read of: {named}.")
    ended = (run for run in runs if run.end_time)
    failed = list(takewhile(lambda run: run.dagster_run.status is not dg.DagsterRunStatus.SUCCESS, ended))
    if failed:
        again = datetime.fromtimestamp(failed[0].end_time or 0, UTC) + wait_after(len(failed))
        if now < again:
            return dg.SkipReason(f"The last run failed. After {again:%Y-%m-%d %H:%M} UTC one reads {named}.")
    return dg.RunRequest(
        partition_key=now.date().isoformat(),
        run_config={"ops": pull_config("jira", refresh=waiting)},
        tags={"dagster/priority": str(ALERT.priority)},
    )


def _told(settings: Settings, since: datetime) -> dict[str, datetime]:
    """Sprints that were started or completed, such as ``sprint:12``, and when the newest event of it was committed."""
    chosen = (
        sa.select(events.c.subjects, events.c.committed_at)
        .where(events.c.source == "jira", events.c.type.in_(TYPES), events.c.received_at >= since)
        .order_by(events.c.committed_at)
    )
    with transaction(settings) as connection:
        found: Sequence[Any] = connection.execute(chosen).all()
    return {subject: at for subjects, at in found for subject in subjects if subject.startswith("sprint:")}


def _has_read(run: dg.RunRecord, sprint: str, at: datetime) -> bool:
    """Whether a run that was asked for after an event read its sprint."""
    asked: Any = run.dagster_run.run_config
    config = asked.get("ops", {}).get("jira_pull", {}).get("config", {})
    is_done = run.dagster_run.status is dg.DagsterRunStatus.SUCCESS
    return is_done and run.create_timestamp >= at and sprint in config.get("refresh", ())
