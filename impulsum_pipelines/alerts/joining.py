"""Several alerts that turn out to be about one thing become one alert."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from impulsum_pipelines.alerts.lifecycle import Raised, acknowledge, alone, raise_alert, resolve
from impulsum_pipelines.ops.schema import alerts
from impulsum_pipelines.settings import Settings


def join(connection: sa.Connection, key: str, gone: Sequence[str], *, at: datetime, settings: Settings) -> None:
    """Go on under one key with what was raised under several, in the caller's transaction.

    The alert that the key has stays as it is, acknowledged too, unless another one is more urgent: then it is worse,
    and told. Where the key has none, the most urgent of the others becomes its alert. The rest is part of it from now
    on, which nobody is told: nothing is over. Who acknowledged one that was as urgent acknowledged it.

    Args:
        connection: of a transaction.
        key: the key that is left.
        gone: the keys that mean nothing any more.
        at: now.
        settings: for quiet hours and settling.
    """
    for each in sorted((key, *gone)):
        alone(connection, each)
    wanted = sa.select(alerts).where(alerts.c.key.in_([key, *gone]), alerts.c.state != "resolved")
    held = connection.execute(wanted.order_by(alerts.c.priority, alerts.c.id).with_for_update()).all()
    if not held:
        return
    kept = next((alert for alert in held if alert.key == key), held[0])
    if kept.key != key:
        connection.execute(sa.update(alerts).where(alerts.c.id == kept.id).values(key=key))
    for alert in held:
        if alert.id == kept.id:
            continue
        telling = min(alert, kept, key=lambda each: each.priority)
        both = Raised(key, kept.kind, alert.priority, telling.title, telling.detail, alert.evidence)
        raise_alert(connection, both, at=at, settings=settings)
        note = f"part of alert {kept.id} now"
        resolve(connection, alert.id, by=kept.kind, at=at, settings=settings, note=note, silently=True)
        if alert.state == "acknowledged" and alert.priority <= kept.priority:
            acknowledge(
                connection, kept.id, by=alert.acknowledged_by, at=alert.acknowledged_at, note=f"alert {alert.id}"
            )
