"""What people read: one alert, or a digest of several.

Titles and details come from outside; a mention in them must not call a whole channel to the phone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import alert_changes, alerts, notifications
from impulsum_pipelines.settings import Settings

#: Alerts that a digest names; of the others it gives the number.
MOST_IN_A_DIGEST = 50

_SAID = {
    "opened": "",
    "worsened": "Worse: ",
    "reopened": "Back again: ",
    "escalated": "Still not acknowledged: ",
    "resolved": "Over: ",
}
_MENTION = re.compile(r"<(?=[!@#])|@(?=everyone\b|here\b|channel\b|all\b)", re.IGNORECASE)
_TOLD_IN_A_DIGEST = ("opened", "worsened", "reopened", "acknowledged", "resolved")


@dataclass(frozen=True)
class Message:
    """One message to one channel.

    Args:
        message_id: the same at every try; the Message-ID of a mail, the Idempotency-Key of a webhook.
        title: one line.
        body: plain text.
        priority: P0 to P3, of the most urgent alert in it.
        over: it says that something is over.
    """

    message_id: str
    title: str
    body: str
    priority: str
    over: bool = False


def compose(connection: sa.Connection, message_id: str, settings: Settings) -> Message:
    """The message of this id, from the alerts as they are now.

    Args:
        connection: of a transaction.
        message_id: of one notification, or of the several that a digest tells.
        settings: for the zone of the times.
    """
    told = connection.execute(
        sa.select(alerts, notifications.c.what)
        .join(notifications, notifications.c.alert_id == alerts.c.id)
        .where(notifications.c.message_id == message_id)
        .order_by(alerts.c.priority, alerts.c.id, notifications.c.version)
    ).all()
    last = {alert.id: alert for alert in told}
    if len(last) == 1:
        (alert,) = last.values()
        return _single(message_id, alert, settings, _why_over(connection, alert) if alert.resolved_at else None)
    return _digest(connection, message_id, list(last.values()), settings)


def _why_over(connection: sa.Connection, alert: Any) -> str | None:
    c = alert_changes.c
    ended = sa.select(c.note).where(c.alert_id == alert.id, c.change == "resolved").order_by(c.id.desc()).limit(1)
    return connection.execute(ended).scalar()


def _single(message_id: str, alert: Any, settings: Settings, why_over: str | None) -> Message:
    lines = [alert.detail] if alert.detail else []
    lines += [str(link) for link in alert.evidence.get("links", ())]
    since = f"Since {_local(alert.opened_at, settings)}"
    if alert.occurrences > 1:
        since += f", seen {alert.occurrences} times, last {_local(alert.last_seen_at, settings)}"
    if alert.resolved_at:
        since += f", over {_local(alert.resolved_at, settings)}{f': {why_over}' if why_over else ''}"
    lines.append(f"{since}.")
    if not alert.resolved_at:
        lines.append(f"Acknowledge: impulsum alerts ack {alert.id}")
    # What is so now: a late try must not say that something begins which is over, or is over which is back.
    said = "resolved" if alert.resolved_at else "reopened" if alert.what == "resolved" else alert.what
    return Message(
        message_id,
        _harmless(f"[{alert.priority}] {_SAID[said]}{alert.title}"),
        _harmless("\n".join([*lines, _reference(message_id)])),
        alert.priority,
        over=said == "resolved",
    )


def _digest(connection: sa.Connection, message_id: str, several: Sequence[Any], settings: Settings) -> Message:
    shown = several[:MOST_IN_A_DIGEST]
    changes: dict[int, list[str]] = {alert.id: [] for alert in shown}
    for change in connection.execute(
        sa.select(alert_changes)
        .where(alert_changes.c.alert_id.in_(list(changes)), alert_changes.c.change.in_(_TOLD_IN_A_DIGEST))
        .order_by(alert_changes.c.id)
    ):
        changes[change.alert_id].append(f"{change.change} {_local(change.at, settings)}")
    lines = []
    for alert in shown:
        lines.append(f"[{alert.priority}] {alert.title} (alert {alert.id}: {', '.join(changes[alert.id][-4:])})")
        lines += [str(link) for link in alert.evidence.get("links", ())[:1]]
    if rest := len(several) - len(shown):
        lines.append(f"And {rest} more: impulsum alerts list --all")
    counts = [
        f"{number} {priority}"
        for priority in sorted({alert.priority for alert in several})
        if (number := sum(alert.priority == priority for alert in several))
    ]
    over = sum(alert.state == "resolved" for alert in several)
    title = f"{len(several)} alerts: {', '.join(counts)}{f'; {over} over' if over else ''}"
    return Message(
        message_id,
        title,
        _harmless("\n".join([*lines, _reference(message_id)])),
        several[0].priority,
        over=over == len(several),
    )


def _reference(message_id: str) -> str:
    return f"Message {message_id[:8]}; the same again is a repeat."


def _local(moment: datetime, settings: Settings) -> str:
    return f"{moment.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}"


def _harmless(text: str) -> str:
    return _MENTION.sub(lambda found: f"{found[0]}\u200b", text)
