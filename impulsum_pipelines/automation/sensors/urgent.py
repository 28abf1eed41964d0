"""Which sources to pull at once: those with an urgent event and no pull since.

The answer is derived from the events and syncs in the ops store and from Dagster's runs, and nothing else is stored. So
a tick that fails and a process that is killed lose nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from impulsum_pipelines.automation.jobs import PULLING_ALL, sync_job_name
from impulsum_pipelines.automation.runs import queued_live_pull
from impulsum_pipelines.ops.schema import IS_URGENT, events, syncs
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.registry import is_configured
from impulsum_pipelines.tiers import SOURCES

#: How long an event requests a pull; after that the schedules have pulled.
LOOK_BACK = timedelta(hours=1)


def sources_to_pull(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> list[str]:
    """Names of the sources to pull now, without those that are off or have such a pull requested already.

    Raises:
        ImpulsumError: the ops store cannot be used; the next tick tries again.
    """
    urgent = _urgent_sources(settings, now - LOOK_BACK)
    return [
        source.name
        for source in SOURCES
        if source.name in urgent
        and is_configured(source.name, settings)
        and not _is_requested(instance, source.name, urgent[source.name], now)
    ]


def _urgent_sources(settings: Settings, since: datetime) -> dict[str, datetime]:
    """When the newest urgent event without a later live sync was committed, by source."""
    pulled = sa.exists().where(
        syncs.c.source == events.c.source, syncs.c.mode == "live", syncs.c.started_at > events.c.committed_at
    )
    c = events.c
    # Not grouped by source: SQLite would read the whole table by its key instead of the last hour by the index.
    waiting = sa.select(c.source, c.committed_at).where(sa.text(IS_URGENT), c.committed_at > since, ~pulled)
    with transaction(settings) as connection:
        return {row.source: row.committed_at for row in connection.execute(waiting.order_by(c.committed_at))}


def _is_requested(instance: dg.DagsterInstance, source: str, at: datetime, now: datetime) -> bool:
    """Whether a live pull of the source is queued, or was created after ``at``.

    A running pull that was created earlier does not count: it may have started before the event.
    """
    if queued_live_pull(instance, source, now) is not None:
        return True
    today = now.astimezone(UTC).date().isoformat()
    return any(
        run.tags.get("dagster/partition", today) >= today
        for job in (sync_job_name(source), *PULLING_ALL)
        for run in instance.get_runs(dg.RunsFilter(job_name=job, created_after=at))
    )
