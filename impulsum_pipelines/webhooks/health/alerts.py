"""The two alerts of webhook health, per source: webhooks are silent, and pulls do not show some events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from impulsum_pipelines.alerts.lifecycle import Problem, raise_alert, resolve, unresolved
from impulsum_pipelines.webhooks.health.context import HealthCheckContext, newest_event_at
from impulsum_pipelines.webhooks.health.matching import EventRow

#: The two kinds of alerts; part of their key.
Kind = Literal["silent", "unseen"]

#: The most events that an alert describes, and that it has as evidence.
_EXAMPLES, _MOST = 5, 50


def raise_silent(context: HealthCheckContext, since: datetime, missed: int) -> None:
    """Raise the alert that pulls find changes for which no webhook arrived.

    Args:
        context: the health check.
        since: the last change that a webhook reported, or the first that none reported.
        missed: how many changes no webhook reported since then.
    """
    source = context.source
    name, newest = source.title, newest_event_at(context.connection, source.name)
    if newest is None:
        what = f"No webhook from {name} ever arrived, though its secret is set,"
    elif newest <= since + timedelta(minutes=1):
        what = f"No webhook from {name} since {_utc(newest)}"
    else:
        what = f"No webhook from {name} reported a change since {_utc(since)}"
    every = round(source.fallback_every / timedelta(minutes=1))
    _raise(
        context,
        "silent",
        f"{what} while pulls found {missed} changes; {name} is pulled every {every} minutes until webhooks resume",
        "This applies in business hours. Nothing is lost, but you hear of urgent events later. Check "
        "that `impulsum webhooks serve` runs and can be reached from outside (GET /health answers 200), that the "
        f"webhook is switched on at {name} and its last deliveries were answered with 200, that "
        f"{source.name.upper()}_WEBHOOK_SECRET is the secret that is set there, and that inbox/failed in IMPULSUM_HOME "
        "has no deliveries of it. `impulsum webhooks health` shows more.",
    )


def raise_unseen(context: HealthCheckContext, overdue: Sequence[EventRow]) -> None:
    """Raise the alert that pulls should have shown these events, the oldest first, and did not."""
    which = f"{len(overdue)} events" if len(overdue) > 1 else "an event"
    examples = "; ".join(
        f"{event.type} of {', '.join(event.subjects[:2])}, {_utc(event.occurred_at)}" for event in overdue[:_EXAMPLES]
    )
    why = f"A complete live pull began at {_utc(context.pulled.watermark)} and does not show it."
    if context.syncs.is_failing:
        why = f"The newest live pull is {context.syncs.live_status}: {context.syncs.live_error or 'it left no reason'}."
    name = context.source.name
    _raise(
        context,
        "unseen",
        f"No pull of {context.source.title} shows {which}, the oldest of {_utc(overdue[0].occurred_at)}",
        f"{examples}. {why} Once the day is over, it is read again automatically. Check that the account of the token "
        f"may see these things (`impulsum doctor`), and how pulls ended (`impulsum history {name}`).",
        [event.id for event in overdue[:_MOST]],
    )


def resolve_health_alert(context: HealthCheckContext, kind: Kind, why: str) -> None:
    """Resolve one of the two alerts, if it is unresolved."""
    if (alert := unresolved(context.connection, _key(context, kind))) is not None:
        resolve(context.connection, alert, by="webhooks", at=context.at, settings=context.settings, note=why)


def _raise(context: HealthCheckContext, kind: Kind, title: str, detail: str, events: Sequence[int] = ()) -> None:
    raised = Problem(_key(context, kind), "webhooks", "P2", title, detail, {"events": events} if events else {})
    raise_alert(context.connection, raised, at=context.at, settings=context.settings)


def _key(context: HealthCheckContext, kind: Kind) -> str:
    return f"webhooks:{kind}:{context.source.name}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
