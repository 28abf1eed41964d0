"""Decide which message goes to which channel: from rows of ``notifications`` to rows of ``deliveries``.

Code that raises an alert does not know the channels; only this module does. Notifications that waited for the end of
quiet hours, and more than :data:`MOST_AT_ONCE` that come due together, become one digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.alerts.channels import Channels
from impulsum_pipelines.alerts.notifications import new_message_id
from impulsum_pipelines.ops.schema import alerts, deliveries, notifications

#: When more notifications than this come due together, they are sent as one digest. A P0 is always sent alone.
MOST_AT_ONCE = 10


def route(connection: sa.Connection, channels: Channels, *, now: datetime) -> None:
    """Create one delivery per channel for each message that is due.

    Args:
        connection: of a transaction.
        channels: the configured channels. Without an alert channel, only escalations are routed; the rest waits.
        now: UTC; notifications due at or before it are routed.
    """
    _reroute_removed_channels(connection, channels, now)
    due = _pending(connection, notifications.c.due_at <= now)
    if not channels.alerts:
        due = [row for row in due if row.what == "escalated"]  # the rest waits for a channel
    single = [row for row in due if row.priority != "P0" and not row.digest]
    single_ids = {row.id for row in single} if len(single) <= MOST_AT_ONCE else set()
    digest = [row for row in due if row.digest or (row.priority != "P0" and row.id not in single_ids)]
    digest += _resolved_in(connection, digest)
    if len(digest) > 1:
        message_id = new_message_id()
        _mark_routed(connection, (row.id for row in digest), message_id=message_id)
        _add_deliveries(connection, message_id, {channel.name for channel in channels.alerts}, now)
        due = [row for row in due if row not in digest]
    _mark_routed(connection, (row.id for row in due))
    for row in due:
        _add_deliveries(connection, row.message_id, _channel_names(connection, row, channels), now)


def _pending(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Any]:
    return list(
        connection.execute(
            sa.select(notifications, alerts.c.priority)
            .join(alerts, alerts.c.id == notifications.c.alert_id)
            .where(notifications.c.status == "pending", *where)
            .order_by(alerts.c.priority, notifications.c.id)
            .with_for_update(of=notifications, skip_locked=True)
        ).all()
    )


def _resolved_in(connection: sa.Connection, digest: Iterable[Any]) -> list[Any]:
    """Pending "resolved" notifications of alerts in the digest, not due yet: the digest already says "resolved"."""
    listed = {row.id for row in digest}
    alert_ids = {row.alert_id for row in digest}
    if not alert_ids:
        return []
    resolved = _pending(connection, notifications.c.alert_id.in_(alert_ids), notifications.c.what == "resolved")
    return [row for row in resolved if row.id not in listed]


def _channel_names(connection: sa.Connection, row: Any, channels: Channels) -> set[str]:
    if row.what == "escalated":
        return {channel.name for channel in channels.escalation}
    names = {channel.name for channel in channels.alerts}
    if row.what == "resolved":  # every channel that received the alert also receives its end
        received = (
            sa.select(deliveries.c.channel)
            .join(notifications, notifications.c.message_id == deliveries.c.message_id)
            .where(notifications.c.alert_id == row.alert_id)
        )
        names |= set(connection.execute(received).scalars()) & set(channels.every)
    return names


def _mark_routed(connection: sa.Connection, ids: Iterable[int], **values: str) -> None:
    marked = list(ids)
    if marked:
        connection.execute(
            sa.update(notifications).where(notifications.c.id.in_(marked)).values(status="addressed", **values)
        )


def _add_deliveries(connection: sa.Connection, message_id: str, names: set[str], now: datetime) -> None:
    for name in sorted(names):
        connection.execute(
            sa.insert(deliveries).values(
                message_id=message_id, channel=name, status="pending", attempts=0, addressed_at=now, due_at=now
            )
        )


def _reroute_removed_channels(connection: sa.Connection, channels: Channels, now: datetime) -> None:
    """Delete unsent deliveries of channels that left the settings. A message left without any is routed again."""
    unsent = sa.or_(
        deliveries.c.status == "pending", sa.and_(deliveries.c.status == "sending", deliveries.c.claimed_until <= now)
    )
    removed = sa.and_(unsent, deliveries.c.channel.not_in(list(channels.every)))
    affected: set[str] = set(
        connection.execute(sa.delete(deliveries).where(removed).returning(deliveries.c.message_id)).scalars()
    )
    if not affected:
        return
    elsewhere = sa.select(deliveries.c.message_id).where(deliveries.c.message_id.in_(affected))
    without_channel = affected - set(connection.execute(elsewhere).scalars())
    if without_channel:
        connection.execute(
            sa.update(notifications).where(notifications.c.message_id.in_(without_channel)).values(status="pending")
        )
