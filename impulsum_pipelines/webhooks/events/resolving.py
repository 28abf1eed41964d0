"""Resolving the alerts that events raised.

An alert is resolved when an event says that its issue or pull request is done, closed or merged, or when its incident
had no event for :data:`QUIET_FOR`. P2 and P3 are resolved without a notification: they are information, and nobody
needs to hear that, for example, a review is no longer requested.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.alerts.lifecycle import resolve, unresolved
from impulsum_pipelines.alerts.notifications import has_pending_notification
from impulsum_pipelines.ops.schema import URGENT, alerts, events
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.events.event import Event

#: An alert is resolved after this time without an event in its incident.
QUIET_FOR = timedelta(hours=24)

#: Kinds of subjects that can be done.
_CAN_BE_DONE = ("issue", "repository-issue", "pull")

_KEY = "incident:"


def alert_key(incident: int) -> str:
    """The key of the one alert of an incident."""
    return f"{_KEY}{incident}"


def resolve_when_done(
    connection: sa.Connection, event: Event, event_id: int, incident: int, *, at: datetime, settings: Settings
) -> None:
    """Resolve the alert of an incident when an event says that its subject is done, closed or merged.

    All events that gave the alert its priority must be about this one issue or pull request, and none of them may be
    newer than this event.

    Args:
        connection: of the transaction that writes the event.
        event: the event; most say nothing about an end.
        event_id: its id.
        incident: its incident.
        at: now.
        settings: for quiet hours and settling.
    """
    if not event.facts.get("is_over") or (alert_id := unresolved(connection, alert_key(incident))) is None:
        return
    alert: Any = connection.execute(
        sa.select(alerts.c.priority, alerts.c.evidence).where(alerts.c.id == alert_id)
    ).one()
    c = events.c
    raising: Sequence[Any] = connection.execute(
        sa.select(c.subjects, c.occurred_at).where(
            c.id.in_(alert.evidence.get("events", ())), c.id != event_id, c.priority == alert.priority
        )
    ).all()
    about = {_main_subject(row.subjects) for row in raising}
    if about == {_main_subject(event.subjects)} and all(row.occurred_at <= event.occurred_at for row in raising):
        note, silently = f"{event.subjects[0]} is over", alert.priority not in URGENT
        resolve(connection, alert_id, by="event", at=at, settings=settings, note=note, silently=silently)


def resolve_quiet(connection: sa.Connection, settings: Settings, now: datetime) -> int:
    """Resolve the alerts of incidents without an event for :data:`QUIET_FOR`, once people were notified of them.

    Returns:
        How many were resolved.
    """
    before, c = now - QUIET_FOR, alerts.c
    old = sa.select(c.id, c.key, c.priority).where(
        c.state != "resolved", c.kind == "event", c.key.startswith(_KEY), c.last_seen_at < before
    )
    resolved = 0
    for alert in connection.execute(old.order_by(c.key)).all():
        newest = sa.select(sa.func.max(events.c.committed_at))
        last = connection.execute(newest.where(events.c.incident_id == int(alert.key.removeprefix(_KEY)))).scalar()
        if (last and last >= before) or has_pending_notification(connection, alert.id, since=before):
            continue
        note, silently = f"no event for {QUIET_FOR / timedelta(hours=1):.0f} hours", alert.priority not in URGENT
        resolved += resolve(connection, alert.id, by="event", at=now, settings=settings, note=note, silently=silently)
    return resolved


def _main_subject(subjects: Sequence[str]) -> str | None:
    """The nearest issue or pull request of an event, else its nearest subject."""
    can_be_done = (subject for subject in subjects if subject.partition(":")[0] in _CAN_BE_DONE)
    return next(can_be_done, subjects[0] if subjects else None)
