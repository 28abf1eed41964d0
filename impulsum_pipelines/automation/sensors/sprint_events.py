"""The sensor ``sprint_events``: reads a sprint completely, with its board, after it was started or completed.

Velocity depends on what was in a sprint at these two instants, and a live pull reads only what a search finds changed.
The sensor derives the sprints to read from the events in the ops store and the runs of its job, and stores nothing
itself. So a crash loses nothing, a failed run is repeated after a pause, and events that arrive together share one run.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import dagster as dg
import sqlalchemy as sa

from impulsum_pipelines.automation.jobs import SPRINT_REFRESH, Job, pull_config
from impulsum_pipelines.automation.runs import retry_delay, unfinished_run
from impulsum_pipelines.ops.schema import events
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import why_off
from impulsum_pipelines.tiers import ALERT

TYPES = ("sprint_started", "sprint_closed")

#: How long an event requests a run: after two nights the nightly close has read its day again.
LOOK_BACK = timedelta(days=2)


def build_sprint_events(jobs: Sequence[Job]) -> dg.Definitions:
    """The sensor ``sprint_events``, on by default.

    Args:
        jobs: jobs that include :data:`impulsum_pipelines.automation.jobs.SPRINT_REFRESH`.
    """
    return dg.Definitions(
        sensors=[
            dg.SensorDefinition(
                name="sprint_events",
                evaluation_fn=_tick,
                job=next(job for job in jobs if job.name == SPRINT_REFRESH),
                minimum_interval_seconds=30,
                default_status=dg.DefaultSensorStatus.RUNNING,
                description="After a sprint was started or completed, reads it completely, with its board, and builds "
                "the marts.",
            )
        ]
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return request_sprint_refresh(context.instance, load_settings(), datetime.now(UTC))


def request_sprint_refresh(
    instance: dg.DagsterInstance, settings: Settings, now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """The run that reads the waiting sprints, or why none is requested now.

    Raises:
        ImpulsumError: the ops store cannot be used; the next tick tries again.
    """
    if reason := why_off("jira", settings):
        return dg.SkipReason(f"Jira is off: {reason}.")
    changed = _changed_sprints(settings, now - LOOK_BACK)
    runs = instance.get_run_records(dg.RunsFilter(job_name=SPRINT_REFRESH, created_after=now - LOOK_BACK))
    waiting = sorted(sprint for sprint, at in changed.items() if not any(_has_read(run, sprint, at) for run in runs))
    if not waiting:
        return dg.SkipReason("No sprint was started or completed since it was last read.")
    named = ", ".join(waiting)
    if run := unfinished_run(instance, SPRINT_REFRESH, now):
        return dg.SkipReason(f"Waits for run {run.run_id[:8]}. The next run reads what that one does not: {named}.")
    ended = (run for run in runs if run.end_time)
    failed = list(takewhile(lambda run: run.dagster_run.status is not dg.DagsterRunStatus.SUCCESS, ended))
    if failed:
        again = datetime.fromtimestamp(failed[0].end_time or 0, UTC) + retry_delay(len(failed))
        if now < again:
            return dg.SkipReason(f"The last run failed. The next one, after {again:%Y-%m-%d %H:%M} UTC, reads {named}.")
    return dg.RunRequest(
        partition_key=now.date().isoformat(),
        run_config={"ops": pull_config("jira", refresh=waiting)},
        tags={"dagster/priority": str(ALERT.priority)},
    )


def _changed_sprints(settings: Settings, since: datetime) -> dict[str, datetime]:
    """When the newest start or completion of each sprint was committed, by subject, such as ``sprint:12``."""
    chosen = (
        sa.select(events.c.subjects, events.c.committed_at)
        .where(events.c.source == "jira", events.c.type.in_(TYPES), events.c.received_at >= since)
        .order_by(events.c.committed_at)
    )
    with transaction(settings) as connection:
        found: Sequence[Any] = connection.execute(chosen).all()
    return {subject: at for subjects, at in found for subject in subjects if subject.startswith("sprint:")}


def _has_read(run: dg.RunRecord, sprint: str, at: datetime) -> bool:
    """Whether a run that was requested after an event read its sprint."""
    requested: Any = run.dagster_run.run_config
    config = requested.get("ops", {}).get("jira_pull", {}).get("config", {})
    is_done = run.dagster_run.status is dg.DagsterRunStatus.SUCCESS
    return is_done and run.create_timestamp >= at and sprint in config.get("refresh", ())
