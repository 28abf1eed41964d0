"""Merge several alerts that turn out to be about one thing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from impulsum_pipelines.alerts.lifecycle import Problem, acknowledge, lock_key, raise_alert, resolve
from impulsum_pipelines.ops.schema import alerts
from impulsum_pipelines.settings import Settings


def merge_alerts(
    connection: sa.Connection, key: str, merged: Sequence[str], *, at: datetime, settings: Settings
) -> None:
    """Merge the unresolved alerts of several keys into the alert of one key, in the caller's transaction.

    The alert of ``key`` stays as it is, acknowledged or not, unless a merged one is more urgent: then it becomes worse,
    and people are notified. If ``key`` has no alert, the most urgent of the merged ones becomes its alert. The other
    alerts are resolved without a notification, because nothing is over. If one of them was as urgent and acknowledged,
    that acknowledgement also counts for the alert that is left.

    Args:
        connection: of a transaction.
        key: the key that stays.
        merged: the keys that are no longer used.
        at: now.
        settings: for quiet hours and settling.
    """
    for each in sorted((key, *merged)):
        lock_key(connection, each)
    wanted = sa.select(alerts).where(alerts.c.key.in_([key, *merged]), alerts.c.state != "resolved")
    found = connection.execute(wanted.order_by(alerts.c.priority, alerts.c.id).with_for_update()).all()
    if not found:
        return
    kept = next((alert for alert in found if alert.key == key), found[0])
    if kept.key != key:
        connection.execute(sa.update(alerts).where(alerts.c.id == kept.id).values(key=key))
    for alert in found:
        if alert.id == kept.id:
            continue
        described = min(alert, kept, key=lambda each: each.priority)
        both = Problem(key, kept.kind, alert.priority, described.title, described.detail, alert.evidence)
        raise_alert(connection, both, at=at, settings=settings)
        note = f"part of alert {kept.id} now"
        resolve(connection, alert.id, by=kept.kind, at=at, settings=settings, note=note, silently=True)
        if alert.state == "acknowledged" and alert.priority <= kept.priority:
            acknowledge(
                connection, kept.id, by=alert.acknowledged_by, at=alert.acknowledged_at, note=f"alert {alert.id}"
            )
