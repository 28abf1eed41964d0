"""Escalation: a P0 that nobody acknowledges is sent again, to the escalation channels.

The first time ``IMPULSUM_ESCALATION_MINUTES`` (30) after the last notification that it opened, worsened or reopened,
then at the same interval, four times in all: if nobody reacted for two hours, a fifth message does not help.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from impulsum_pipelines.alerts.notifications import notify, supersede
from impulsum_pipelines.ops.schema import alerts, notifications
from impulsum_pipelines.settings import Settings

MOST_ESCALATIONS = 4


class _Notified(NamedTuple):
    """What people last received about an alert.

    Args:
        last_at: when the newest notification was due; None without any.
        escalations: escalations since the newest notification of another kind.
    """

    last_at: datetime | None
    escalations: int


def escalate(connection: sa.Connection, settings: Settings, now: datetime) -> int:
    """Write a notification for each P0 that has waited too long. Call it before each delivery.

    Args:
        connection: of a transaction.
        settings: for ``IMPULSUM_ESCALATION_MINUTES`` and the hours.
        now: UTC.

    Returns:
        How many notifications were written.
    """
    patience = timedelta(minutes=settings.impulsum_escalation_minutes)
    waiting = sa.select(alerts.c.id, alerts.c.version, alerts.c.opened_at).where(
        alerts.c.priority == "P0", alerts.c.state.in_(("open", "notified"))
    )
    escalated = 0
    for alert in connection.execute(waiting.order_by(alerts.c.id)).all():
        notified = _notified(connection, alert.id)
        if notified.escalations >= MOST_ESCALATIONS or now - (notified.last_at or alert.opened_at) < patience:
            continue
        # Locked only here, and only if unchanged: another process may escalate it now, or somebody acknowledged it.
        still = waiting.where(alerts.c.id == alert.id, alerts.c.version == alert.version).with_for_update()
        if connection.execute(still).first() is None:
            continue
        supersede(connection, alert.id, only="escalated")
        notify(connection, alert.id, "escalated", at=now, settings=settings, by="escalation")
        connection.execute(sa.update(alerts).where(alerts.c.id == alert.id).values(escalated_at=now))
        escalated += 1
    return escalated


def _notified(connection: sa.Connection, alert_id: int) -> _Notified:
    sent = connection.execute(
        sa.select(notifications.c.what, notifications.c.due_at)
        .where(notifications.c.alert_id == alert_id, notifications.c.what != "resolved")
        .order_by(notifications.c.version)
    ).all()
    escalations = 0
    for row in sent:
        escalations = escalations + 1 if row.what == "escalated" else 0
    return _Notified(sent[-1].due_at if sent else None, escalations)
