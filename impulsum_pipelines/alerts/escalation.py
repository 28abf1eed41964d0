"""A P0 that nobody acknowledges is told again, to the escalation channels.

First after ``IMPULSUM_ESCALATION_MINUTES`` (30), counted from when it was last made known (opened, worse, back again),
then each time as long again, four times in all: two hours of nobody are not ended by a fifth message.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from impulsum_pipelines.alerts.notifications import notify, supersede
from impulsum_pipelines.ops.schema import alerts, notifications
from impulsum_pipelines.settings import Settings

MOST_ESCALATIONS = 4


def escalate(connection: sa.Connection, settings: Settings, now: datetime) -> int:
    """Write a notification for each P0 that has waited too long. To be called before each delivery.

    Returns:
        How many were written.
    """
    patience = timedelta(minutes=settings.impulsum_escalation_minutes)
    waiting = sa.select(alerts.c.id, alerts.c.version, alerts.c.opened_at).where(
        alerts.c.priority == "P0", alerts.c.state.in_(("open", "notified"))
    )
    escalated = 0
    for alert in connection.execute(waiting.order_by(alerts.c.id)).all():
        since, before = _last_made_known(connection, alert.id)
        if before >= MOST_ESCALATIONS or now - (since or alert.opened_at) < patience:
            continue
        # Locked only now, and only as it was seen: another process may be escalating it, or somebody answered.
        still = waiting.where(alerts.c.id == alert.id, alerts.c.version == alert.version).with_for_update()
        if connection.execute(still).first() is None:
            continue
        supersede(connection, alert.id, only="escalated")
        notify(connection, alert.id, "escalated", at=now, settings=settings, by="escalation")
        connection.execute(sa.update(alerts).where(alerts.c.id == alert.id).values(escalated_at=now))
        escalated += 1
    return escalated


def _last_made_known(connection: sa.Connection, alert_id: int) -> tuple[datetime | None, int]:
    """When the alert was last to be told, and how often it was escalated since people heard anything else."""
    told = connection.execute(
        sa.select(notifications.c.what, notifications.c.due_at)
        .where(notifications.c.alert_id == alert_id, notifications.c.what != "resolved")
        .order_by(notifications.c.version)
    ).all()
    escalations = 0
    for row in told:
        escalations = escalations + 1 if row.what == "escalated" else 0
    return (told[-1].due_at if told else None), escalations
