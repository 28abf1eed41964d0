"""Short ways to do things with alerts in a test, and to see what is so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from impulsum_pipelines.alerts.escalation import escalate
from impulsum_pipelines.alerts.lifecycle import Raised, raise_alert, resolve
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, notifications
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings


def told_to(settings: Settings, *addresses: str, **more: Any) -> Settings:
    """The settings with these channels, and whatever else."""
    channels = tuple(SecretStr(address) for address in addresses)
    return settings.model_copy(update={"impulsum_alert_channels": channels, **more})


def raised(settings: Settings, at: datetime, *, key: str = "jira:ABC-1", priority: str = "P0", **more: Any) -> int:
    """Raise an alert in a transaction of its own."""
    news = Raised(**{"key": key, "kind": "event", "priority": priority, "title": f"{key} is wrong", **more})
    with transaction(settings) as connection:
        return raise_alert(connection, news, at=at, settings=settings)


def resolved(settings: Settings, alert: int, at: datetime, *, person: bool = False) -> bool:
    with transaction(settings) as connection:
        return resolve(connection, alert, by="risk", at=at, settings=settings, person=person)


def escalated(settings: Settings, at: datetime) -> int:
    with transaction(settings) as connection:
        return escalate(connection, settings, at)


def alert_of(settings: Settings, alert: int) -> Any:
    with transaction(settings) as connection:
        return connection.execute(sa.select(alerts).where(alerts.c.id == alert)).one()


def history(settings: Settings, alert: int) -> list[str]:
    with transaction(settings) as connection:
        wanted = sa.select(alert_changes.c.change).where(alert_changes.c.alert_id == alert)
        return list(connection.execute(wanted.order_by(alert_changes.c.id)).scalars())


def outbox(settings: Settings, alert: int) -> list[tuple[str, str]]:
    """What is to be told of an alert, and whether it still is."""
    with transaction(settings) as connection:
        wanted = sa.select(notifications.c.what, notifications.c.status).where(notifications.c.alert_id == alert)
        return [(row.what, row.status) for row in connection.execute(wanted.order_by(notifications.c.id))]


def deliveries_of(settings: Settings) -> dict[str, list[Any]]:
    with transaction(settings) as connection:
        found: dict[str, list[Any]] = {}
        for row in connection.execute(sa.select(deliveries).order_by(deliveries.c.id)):
            found.setdefault(row.channel, []).append(row)
        return found
