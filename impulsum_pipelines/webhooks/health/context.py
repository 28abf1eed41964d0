"""What one webhook health check works with, and what the ops store already knows about the source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, syncs, webhook_health
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import Source
from impulsum_pipelines.webhooks.health.pulled import PulledState


@dataclass(frozen=True)
class NewestSyncs:
    """How the newest finished syncs of a source ended.

    Args:
        sync_id: the newest of all finished syncs; None without one.
        live_status: status of the newest live sync; None without one.
        live_error: why that sync ended early.
    """

    sync_id: str | None
    live_status: str | None
    live_error: str | None

    @property
    def is_failing(self) -> bool:
        """Whether the newest live sync is not complete."""
        return self.live_status not in {None, "done"}


@dataclass(frozen=True)
class HealthCheckContext:
    """One health check of one source, within its transaction.

    Args:
        connection: the transaction.
        settings: the settings.
        source: the source.
        pulled: what pulls found.
        syncs: how the newest syncs ended.
        at: now, by our clock.
    """

    connection: sa.Connection
    settings: Settings
    source: Source
    pulled: PulledState
    syncs: NewestSyncs
    at: datetime

    @property
    def has_secret(self) -> bool:
        """Whether the settings have a webhook secret of the source, so that webhooks are expected."""
        return bool(self.settings.source(self.source.name).webhook_secrets())


def newest_syncs(connection: sa.Connection, source: str) -> NewestSyncs:
    """How the newest finished syncs of a source ended."""
    c = syncs.c
    newest = (
        sa.select(c.sync_id, c.status, c.error)
        .where(c.source == source, c.finished_at.is_not(None))
        .order_by(c.started_at.desc())
        .limit(1)
    )
    last = connection.execute(newest).first()
    live = connection.execute(newest.where(c.mode == "live")).first()
    return NewestSyncs(last.sync_id if last else None, live.status if live else None, live.error if live else None)


def newest_event_at(connection: sa.Connection, source: str) -> datetime | None:
    """When the newest event of a source happened; None when no event ever arrived."""
    newest = sa.select(sa.func.max(events.c.occurred_at)).where(events.c.source == source)
    return connection.execute(newest).scalar()


def health_row(connection: sa.Connection, source: str) -> Any:
    """The source's row in ``webhook_health``; None before the first check."""
    return connection.execute(sa.select(webhook_health).where(webhook_health.c.source == source)).first()
