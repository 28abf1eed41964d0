"""From what people must be told to messages and channels: one row of ``deliveries`` each.

Who raises an alert need not know the channels; who delivers does. What had to wait, and what is too much to be told one
by one, becomes one message.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.alerts.channels import Channels
from impulsum_pipelines.alerts.notifications import new_message_id
from impulsum_pipelines.ops.schema import alerts, deliveries, notifications

#: More than these at once, none of them a P0, are told in one message.
MOST_AT_ONCE = 10


def address(connection: sa.Connection, channels: Channels, *, now: datetime) -> None:
    """Make a delivery for each channel of whatever is due; within a transaction."""
    _take_from_gone(connection, channels, now)
    due = _pending(connection, notifications.c.due_at <= now)
    if not channels.alerts:
        due = [row for row in due if row.what == "escalated"]  # the rest waits for a channel
    apart = [row for row in due if row.priority != "P0" and not row.digest]
    apart_ids = {row.id for row in apart} if len(apart) <= MOST_AT_ONCE else set()
    together = [row for row in due if row.digest or (row.priority != "P0" and row.id not in apart_ids)]
    together += _over_by_now(connection, together)
    if len(together) > 1:
        message_id = new_message_id()
        _mark(connection, (row.id for row in together), message_id=message_id)
        _send(connection, message_id, {channel.name for channel in channels.alerts}, now)
        due = [row for row in due if row not in together]
    _mark(connection, (row.id for row in due))
    for row in due:
        _send(connection, row.message_id, _names(connection, row, channels), now)


def _pending(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> list[Any]:
    return list(
        connection.execute(
            sa.select(notifications, alerts.c.priority)
            .join(alerts, alerts.c.id == notifications.c.alert_id)
            .where(notifications.c.status == "pending", *which)
            .order_by(alerts.c.priority, notifications.c.id)
            .with_for_update(of=notifications, skip_locked=True)
        ).all()
    )


def _over_by_now(connection: sa.Connection, together: Iterable[Any]) -> list[Any]:
    """What says that an alert of the digest is over, and is not due yet: the digest says it already."""
    seen = {row.id for row in together}
    held = {row.alert_id for row in together}
    if not held:
        return []
    over = _pending(connection, notifications.c.alert_id.in_(held), notifications.c.what == "resolved")
    return [row for row in over if row.id not in seen]


def _names(connection: sa.Connection, row: Any, channels: Channels) -> set[str]:
    if row.what == "escalated":
        return {channel.name for channel in channels.escalation}
    names = {channel.name for channel in channels.alerts}
    if row.what == "resolved":  # whoever heard of it hears that it is over
        heard = (
            sa.select(deliveries.c.channel)
            .join(notifications, notifications.c.message_id == deliveries.c.message_id)
            .where(notifications.c.alert_id == row.alert_id)
        )
        names |= set(connection.execute(heard).scalars()) & set(channels.every)
    return names


def _mark(connection: sa.Connection, ids: Iterable[int], **values: str) -> None:
    marked = list(ids)
    if marked:
        connection.execute(
            sa.update(notifications).where(notifications.c.id.in_(marked)).values(status="addressed", **values)
        )


def _send(connection: sa.Connection, message_id: str, names: set[str], now: datetime) -> None:
    for name in sorted(names):
        connection.execute(
            sa.insert(deliveries).values(
                message_id=message_id, channel=name, status="pending", attempts=0, addressed_at=now, due_at=now
            )
        )


def _take_from_gone(connection: sa.Connection, channels: Channels, now: datetime) -> None:
    """What a channel did not take before it left the settings goes to others, if it was the only one."""
    waiting = sa.or_(
        deliveries.c.status == "pending", sa.and_(deliveries.c.status == "sending", deliveries.c.claimed_until <= now)
    )
    gone = sa.and_(waiting, deliveries.c.channel.not_in(list(channels.every)))
    taken: set[str] = set(
        connection.execute(sa.delete(deliveries).where(gone).returning(deliveries.c.message_id)).scalars()
    )
    if not taken:
        return
    elsewhere = sa.select(deliveries.c.message_id).where(deliveries.c.message_id.in_(taken))
    left = taken - set(connection.execute(elsewhere).scalars())
    if left:
        connection.execute(
            sa.update(notifications).where(notifications.c.message_id.in_(left)).values(status="pending")
        )
