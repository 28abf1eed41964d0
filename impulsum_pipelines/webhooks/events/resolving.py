"""When an alert that events raised is over.

Its own issue or pull request is said to be done, closed or merged; or for :data:`QUIET_FOR` nothing came to its
incident. P2 and P3 end silently: they are information, and that a review is no longer asked for is no news.
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

#: After so long without an event an alert of events is over.
QUIET_FOR = timedelta(hours=24)

#: Subjects that end.
_ENDING = ("issue", "repository-issue", "pull")

_KEY = "incident:"


def alert_key(incident: int) -> str:
    """One alert an incident."""
    return f"{_KEY}{incident}"


def end_said(
    connection: sa.Connection, event: Event, event_id: int, incident: int, *, at: datetime, settings: Settings
) -> None:
    """Resolve the alert of an incident when an event says that what it is about is over.

    That is so when the events that made it as urgent as it is are all about this one issue or pull request, and none
    of them is newer.

    Args:
        connection: of the transaction that writes the event.
        event: the event; most say nothing of the kind.
        event_id: its id.
        incident: what it is part of.
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
    about = {_own(row.subjects) for row in raising}
    if about == {_own(event.subjects)} and all(row.occurred_at <= event.occurred_at for row in raising):
        note, silently = f"{event.subjects[0]} is over", alert.priority not in URGENT
        resolve(connection, alert_id, by="event", at=at, settings=settings, note=note, silently=silently)


def end_quiet(connection: sa.Connection, settings: Settings, now: datetime) -> int:
    """Resolve the alerts of incidents to which nothing came for :data:`QUIET_FOR`, once people heard of them.

    Returns:
        How many were resolved.
    """
    before, c = now - QUIET_FOR, alerts.c
    old = sa.select(c.id, c.key, c.priority).where(
        c.state != "resolved", c.kind == "event", c.key.startswith(_KEY), c.last_seen_at < before
    )
    ended = 0
    for alert in connection.execute(old.order_by(c.key)).all():
        came = sa.select(sa.func.max(events.c.committed_at))
        last = connection.execute(came.where(events.c.incident_id == int(alert.key.removeprefix(_KEY)))).scalar()
        if (last and last >= before) or has_pending_notification(connection, alert.id, since=before):
            continue
        note, silently = f"no event for {QUIET_FOR / timedelta(hours=1):.0f} hours", alert.priority not in URGENT
        ended += resolve(connection, alert.id, by="event", at=now, settings=settings, note=note, silently=silently)
    return ended


def _own(subjects: Sequence[str]) -> str | None:
    """What an event is about: its nearest issue or pull request, else its nearest subject."""
    ending = (subject for subject in subjects if subject.partition(":")[0] in _ENDING)
    return next(ending, subjects[0] if subjects else None)
