"""What people hear of an alert: a change that is told is written with its notification, in the caller's transaction.

When a change is told, and when it is overtaken, is the book's to say: :mod:`impulsum_pipelines.alerts.lifecycle`.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa

from impulsum_pipelines.alerts.calendar import due
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, notifications
from impulsum_pipelines.settings import Settings


def notify(
    connection: sa.Connection,
    alert_id: int,
    what: str,
    *,
    at: datetime,
    settings: Settings,
    by: str,
    note: str | None = None,
    not_before: datetime | None = None,
) -> None:
    """Write the change and its notification: people must hear of it, once it is due.

    Args:
        alert_id: which.
        what: opened, worsened, reopened, escalated or resolved.
        at: now.
        settings: for quiet hours.
        by: who changed it.
        note: why.
        not_before: the instant from which it is to be told, if later than now.
    """
    alert = connection.execute(
        sa.update(alerts)
        .where(alerts.c.id == alert_id)
        .values(version=alerts.c.version + 1)
        .returning(alerts.c.version, alerts.c.priority)
    ).one()
    when = due(alert.priority, not_before or at, settings)
    connection.execute(
        sa.insert(notifications).values(
            alert_id=alert_id,
            version=alert.version,
            what=what,
            message_id=new_message_id(),
            due_at=when.at,
            digest=when.digest,
            status="pending",
        )
    )
    log(connection, alert_id, what, at=at, by=by, note=note)


def supersede(
    connection: sa.Connection,
    alert_id: int,
    *,
    only: str | None = None,
    spare_digest: bool = False,
    tried: bool = False,
) -> None:
    """Take back what is not told yet. What a channel was ever tried with may have arrived, and stays.

    Args:
        alert_id: which.
        only: what notification; all without it.
        spare_digest: leave what waits for a digest.
        tried: take that back too, because whether it arrived makes no difference now.
    """
    mine = [notifications.c.alert_id == alert_id]
    if only:
        mine.append(notifications.c.what == only)
    if spare_digest:
        mine.append(sa.not_(notifications.c.digest))
    connection.execute(
        sa.update(notifications).where(*mine, notifications.c.status == "pending").values(status="superseded")
    )
    others = notifications.alias("others")
    shared = sa.exists().where(others.c.message_id == notifications.c.message_id, others.c.id != notifications.c.id)
    connection.execute(
        sa.update(deliveries)
        .where(
            deliveries.c.message_id.in_(sa.select(notifications.c.message_id).where(*mine, ~shared)),
            deliveries.c.status == "pending",
            sa.true() if tried else deliveries.c.attempts == 0,
        )
        .values(status="superseded")
    )


def new_message_id() -> str:
    """An id that no other message of any store has, in the form of a Message-ID without its brackets."""
    return f"{uuid.uuid4().hex}@impulsum"


def may_be_heard(connection: sa.Connection, alert_id: int) -> bool:
    """Whether people heard of it, or will in a digest: then they also hear that it is over."""
    waits = notifications.c.status == "pending"  # all else that did is superseded by now
    known = sa.select(notifications.c.id).where(notifications.c.alert_id == alert_id, sa.or_(waits, was_tried()))
    return connection.execute(known.limit(1)).first() is not None


def is_being_told(connection: sa.Connection, alert_id: int, *, since: datetime) -> bool:
    """Whether people are still to hear of it: it waits for its hour, or a channel is tried.

    Args:
        alert_id: which.
        since: what was due before and was sent nowhere waits for a channel that nobody configured.
    """
    mine = notifications.c.alert_id == alert_id
    waits = sa.select(notifications.c.id).where(
        mine, notifications.c.status == "pending", notifications.c.due_at > since
    )
    tried = (
        sa.select(deliveries.c.id)
        .join(notifications, notifications.c.message_id == deliveries.c.message_id)
        .where(mine, deliveries.c.status.in_(("pending", "sending")))
    )
    return any(connection.execute(each.limit(1)).first() is not None for each in (waits, tried))


def was_tried() -> sa.Exists:
    """A notification that a channel may have taken."""
    return sa.exists().where(deliveries.c.message_id == notifications.c.message_id, deliveries.c.status != "superseded")


def log(connection: sa.Connection, alert_id: int, change: str, *, at: datetime, by: str, note: str | None) -> None:
    """Write a change into the alert's history, which `impulsum alerts` shows and nobody is told of."""
    connection.execute(sa.insert(alert_changes).values(alert_id=alert_id, at=at, change=change, by=by, note=note))
