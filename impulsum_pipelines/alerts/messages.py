"""The texts that people receive: one alert, or a digest of several.

Titles and details come from outside; a mention in them, such as ``@channel``, must not notify a whole channel.
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

#: How many alerts a digest lists; it only counts the others.
MOST_IN_A_DIGEST = 50

_TITLE_PREFIXES = {
    "opened": "",
    "worsened": "Worse: ",
    "reopened": "Back again: ",
    "escalated": "Still not acknowledged: ",
    "resolved": "Resolved: ",
}
_MENTION = re.compile(r"<(?=[!@#])|@(?=everyone\b|here\b|channel\b|all\b)", re.IGNORECASE)
_CHANGES_IN_A_DIGEST = ("opened", "worsened", "reopened", "acknowledged", "resolved")


@dataclass(frozen=True)
class Message:
    """One message to one channel.

    Args:
        message_id: the same at every attempt; the Message-ID of a mail, the Idempotency-Key of a webhook.
        title: one line.
        body: plain text.
        priority: P0 to P3, of the most urgent alert in it.
        is_resolved: everything in it is resolved.
    """

    message_id: str
    title: str
    body: str
    priority: str
    is_resolved: bool = False


def compose(connection: sa.Connection, message_id: str, settings: Settings) -> Message:
    """Write the message with this id from the alerts as they are now.

    Args:
        connection: of a transaction.
        message_id: id of one notification, or of all notifications of a digest.
        settings: for the time zone of the times in it.
    """
    reported = connection.execute(
        sa.select(alerts, notifications.c.what)
        .join(notifications, notifications.c.alert_id == alerts.c.id)
        .where(notifications.c.message_id == message_id)
        .order_by(alerts.c.priority, alerts.c.id, notifications.c.version)
    ).all()
    newest = {alert.id: alert for alert in reported}
    if len(newest) == 1:
        (alert,) = newest.values()
        return _single(message_id, alert, settings, _why_resolved(connection, alert) if alert.resolved_at else None)
    return _digest(connection, message_id, list(newest.values()), settings)


def _why_resolved(connection: sa.Connection, alert: Any) -> str | None:
    c = alert_changes.c
    note = sa.select(c.note).where(c.alert_id == alert.id, c.change == "resolved").order_by(c.id.desc()).limit(1)
    return connection.execute(note).scalar()


def _single(message_id: str, alert: Any, settings: Settings, why_resolved: str | None) -> Message:
    lines = [alert.detail] if alert.detail else []
    lines += [str(link) for link in alert.evidence.get("links", ())]
    times = f"Since {_local(alert.opened_at, settings)}"
    if alert.occurrences > 1:
        times += f", seen {alert.occurrences} times, last at {_local(alert.last_seen_at, settings)}"
    if alert.resolved_at:
        times += f", resolved at {_local(alert.resolved_at, settings)}{f': {why_resolved}' if why_resolved else ''}"
    lines.append(f"{times}.")
    if not alert.resolved_at:
        lines.append(f"To acknowledge: impulsum alerts ack {alert.id}")
    # The state of now: a late attempt must not report a beginning of what is over, or the end of what is back.
    state = "resolved" if alert.resolved_at else "reopened" if alert.what == "resolved" else alert.what
    return Message(
        message_id,
        _harmless(f"[{alert.priority}] {_TITLE_PREFIXES[state]}{alert.title}"),
        _harmless("\n".join([*lines, _reference(message_id)])),
        alert.priority,
        is_resolved=state == "resolved",
    )


def _digest(connection: sa.Connection, message_id: str, several: Sequence[Any], settings: Settings) -> Message:
    shown = several[:MOST_IN_A_DIGEST]
    changes: dict[int, list[str]] = {alert.id: [] for alert in shown}
    for change in connection.execute(
        sa.select(alert_changes)
        .where(alert_changes.c.alert_id.in_(list(changes)), alert_changes.c.change.in_(_CHANGES_IN_A_DIGEST))
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
    resolved = sum(alert.state == "resolved" for alert in several)
    title = f"{len(several)} alerts: {', '.join(counts)}{f'; {resolved} resolved' if resolved else ''}"
    return Message(
        message_id,
        title,
        _harmless("\n".join([*lines, _reference(message_id)])),
        several[0].priority,
        is_resolved=resolved == len(several),
    )


def _reference(message_id: str) -> str:
    return f"Message {message_id[:8]}. If you see this id twice, the second message is a repeat."


def _local(moment: datetime, settings: Settings) -> str:
    return f"{moment.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}"


def _harmless(text: str) -> str:
    return _MENTION.sub(lambda found: f"{found[0]}\u200b", text)
