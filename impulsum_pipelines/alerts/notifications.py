"""The notifications of an alert: each is written together with the change it reports, in the caller's transaction.

:mod:`impulsum_pipelines.alerts.lifecycle` decides which changes people are notified of, and which notifications are
outdated.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa

from impulsum_pipelines.alerts.calendar import when_due
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
    """Write a change of an alert and the notification that reports it. It is sent once it is due.

    Args:
        connection: of a transaction.
        alert_id: id of the alert.
        what: opened, worsened, reopened, escalated or resolved.
        at: now.
        settings: for quiet hours.
        by: who changed it.
        note: why.
        not_before: the earliest time to send it, if later than now.
    """
    alert = connection.execute(
        sa.update(alerts)
        .where(alerts.c.id == alert_id)
        .values(version=alerts.c.version + 1)
        .returning(alerts.c.version, alerts.c.priority)
    ).one()
    due = when_due(alert.priority, not_before or at, settings)
    connection.execute(
        sa.insert(notifications).values(
            alert_id=alert_id,
            version=alert.version,
            what=what,
            message_id=new_message_id(),
            due_at=due.at,
            digest=due.digest,
            status="pending",
        )
    )
    record_change(connection, alert_id, what, at=at, by=by, note=note)


def supersede(
    connection: sa.Connection,
    alert_id: int,
    *,
    only: str | None = None,
    keep_digest: bool = False,
    attempted_too: bool = False,
) -> None:
    """Withdraw notifications that are not sent yet. A delivery with an attempt may have arrived, and stays.

    Args:
        connection: of a transaction.
        alert_id: id of the alert.
        only: the kind of notification, such as escalated; None for all.
        keep_digest: keep notifications that wait for a digest.
        attempted_too: withdraw deliveries with an attempt too, because it no longer matters whether they arrived.
    """
    mine = [notifications.c.alert_id == alert_id]
    if only:
        mine.append(notifications.c.what == only)
    if keep_digest:
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
            sa.true() if attempted_too else deliveries.c.attempts == 0,
        )
        .values(status="superseded")
    )


def new_message_id() -> str:
    """A new id that no message of any store has, in the form of a Message-ID without its brackets."""
    return f"{uuid.uuid4().hex}@impulsum"


def people_may_know(connection: sa.Connection, alert_id: int) -> bool:
    """Whether people may have received the alert, or will in a digest: only then they are notified that it is over."""
    waits = notifications.c.status == "pending"  # every other pending notification is superseded by now
    known = sa.select(notifications.c.id).where(notifications.c.alert_id == alert_id, sa.or_(waits, may_be_delivered()))
    return connection.execute(known.limit(1)).first() is not None


def has_pending_notification(connection: sa.Connection, alert_id: int, *, since: datetime) -> bool:
    """Whether a notification of the alert is still to be sent: it waits for its time, or its delivery is under way.

    Args:
        connection: of a transaction.
        alert_id: id of the alert.
        since: a pending notification that was due earlier does not count: it waits for a channel that nobody
            configured.
    """
    mine = notifications.c.alert_id == alert_id
    waits = sa.select(notifications.c.id).where(
        mine, notifications.c.status == "pending", notifications.c.due_at > since
    )
    under_way = (
        sa.select(deliveries.c.id)
        .join(notifications, notifications.c.message_id == deliveries.c.message_id)
        .where(mine, deliveries.c.status.in_(("pending", "sending")))
    )
    return any(connection.execute(each.limit(1)).first() is not None for each in (waits, under_way))


def may_be_delivered() -> sa.Exists:
    """SQL condition on ``notifications``: some channel may have received the message."""
    return sa.exists().where(deliveries.c.message_id == notifications.c.message_id, deliveries.c.status != "superseded")


def record_change(
    connection: sa.Connection, alert_id: int, change: str, *, at: datetime, by: str, note: str | None
) -> None:
    """Write a change into the alert's history, which `impulsum alerts show` prints. It notifies nobody."""
    connection.execute(sa.insert(alert_changes).values(alert_id=alert_id, at=at, change=change, by=by, note=note))
