"""Short helpers to raise, resolve and inspect alerts in a test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from impulsum_pipelines.alerts.escalation import escalate
from impulsum_pipelines.alerts.lifecycle import Problem, raise_alert, resolve
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, notifications
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings

#: A Tuesday morning, outside of all quiet hours.
NOW = datetime(2026, 11, 3, 10, tzinfo=UTC)


def with_channels(settings: Settings, *addresses: str, **more: Any) -> Settings:
    """The settings with these alert channels, and with other settings replaced."""
    channels = tuple(SecretStr(address) for address in addresses)
    return settings.model_copy(update={"impulsum_alert_channels": channels, **more})


def raised(settings: Settings, at: datetime, *, key: str = "jira:ABC-1", priority: str = "P0", **more: Any) -> int:
    """Raise an alert in its own transaction."""
    problem = Problem(**{"key": key, "kind": "event", "priority": priority, "title": f"{key} is wrong", **more})
    with transaction(settings) as connection:
        return raise_alert(connection, problem, at=at, settings=settings)


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
    """Each notification of an alert, and its status."""
    with transaction(settings) as connection:
        wanted = sa.select(notifications.c.what, notifications.c.status).where(notifications.c.alert_id == alert)
        return [(row.what, row.status) for row in connection.execute(wanted.order_by(notifications.c.id))]


def deliveries_of(settings: Settings) -> dict[str, list[Any]]:
    with transaction(settings) as connection:
        found: dict[str, list[Any]] = {}
        for row in connection.execute(sa.select(deliveries).order_by(deliveries.c.id)):
            found.setdefault(row.channel, []).append(row)
        return found
