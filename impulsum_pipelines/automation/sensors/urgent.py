"""Which sources are to be pulled at once: something urgent was said of them, and nothing was pulled since.

That follows from what is kept anyway, the events and the syncs in the ops store and the runs of Dagster. So a tick that
failed and a process that was killed lose nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from impulsum_pipelines.automation.jobs import PULLING_ALL, sync_job_name
from impulsum_pipelines.automation.runs import waiting_to_pull
from impulsum_pipelines.ops.schema import IS_URGENT, events, syncs
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.registry import is_configured
from impulsum_pipelines.tiers import SOURCES

#: For how long an event asks for a pull; after that the schedules have pulled.
LOOK_BACK = timedelta(hours=1)


def to_pull(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> list[str]:
    """The sources to pull now, without those that are off and those of which a pull is asked for already.

    Raises:
        ImpulsumError: the ops store cannot be used; the next tick tries again.
    """
    said = _said(settings, now - LOOK_BACK)
    return [
        source.name
        for source in SOURCES
        if source.name in said
        and is_configured(source.name, settings)
        and not _is_asked_for(instance, source.name, said[source.name], now)
    ]


def _said(settings: Settings, since: datetime) -> dict[str, datetime]:
    """Sources of urgent events after which no live sync began, and when the newest of these was committed."""
    pulled = sa.exists().where(
        syncs.c.source == events.c.source, syncs.c.mode == "live", syncs.c.started_at > events.c.committed_at
    )
    c = events.c
    # Not grouped by source: SQLite would walk the whole table by its key rather than the last hour by the index.
    waiting = sa.select(c.source, c.committed_at).where(sa.text(IS_URGENT), c.committed_at > since, ~pulled)
    with transaction(settings) as connection:
        return {row.source: row.committed_at for row in connection.execute(waiting.order_by(c.committed_at))}


def _is_asked_for(instance: dg.DagsterInstance, source: str, at: datetime, now: datetime) -> bool:
    """Whether a run will pull it live that waits, or that was asked for since: one that runs may have begun before."""
    if waiting_to_pull(instance, source, now) is not None:
        return True
    today = now.astimezone(UTC).date().isoformat()
    return any(
        run.tags.get("dagster/partition", today) >= today
        for job in (sync_job_name(source), *PULLING_ALL)
        for run in instance.get_runs(dg.RunsFilter(job_name=job, created_after=at))
    )
