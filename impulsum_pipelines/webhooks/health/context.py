"""What a look at one source's webhooks is about, and what the ops store says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, syncs, webhook_health
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import Source
from impulsum_pipelines.webhooks.health.pulled import Look


@dataclass(frozen=True)
class Ended:
    """How the newest syncs ended.

    Args:
        sync_id: the newest of all that ended.
        live_status: of the newest live one; None when there was none.
        live_error: why that ended early.
    """

    sync_id: str | None
    live_status: str | None
    live_error: str | None

    @property
    def is_failing(self) -> bool:
        """Whether the newest live pull was none that is complete."""
        return self.live_status not in {None, "done"}


@dataclass(frozen=True)
class Case:
    """One look at one source, within its transaction.

    Args:
        connection: the transaction.
        settings: the settings.
        source: the source.
        found: what pulls saw.
        ended: how they ended.
        at: now, by our clock.
    """

    connection: sa.Connection
    settings: Settings
    source: Source
    found: Look
    ended: Ended
    at: datetime

    @property
    def has_secret(self) -> bool:
        """Whether webhooks of the source are expected by configuration."""
        return bool(self.settings.source(self.source.name).webhook_secrets())


def ended(connection: sa.Connection, source: str) -> Ended:
    """How the newest syncs of a source ended."""
    c = syncs.c
    newest = (
        sa.select(c.sync_id, c.status, c.error)
        .where(c.source == source, c.finished_at.is_not(None))
        .order_by(c.started_at.desc())
        .limit(1)
    )
    last = connection.execute(newest).first()
    live = connection.execute(newest.where(c.mode == "live")).first()
    return Ended(last.sync_id if last else None, live.status if live else None, live.error if live else None)


def last_event(connection: sa.Connection, source: str) -> datetime | None:
    """When the newest event of a source happened; None when none ever came."""
    newest = sa.select(sa.func.max(events.c.occurred_at)).where(events.c.source == source)
    return connection.execute(newest).scalar()


def state(connection: sa.Connection, source: str) -> Any:
    """The source's row in ``webhook_health``; None before the first look."""
    return connection.execute(sa.select(webhook_health).where(webhook_health.c.source == source)).first()
