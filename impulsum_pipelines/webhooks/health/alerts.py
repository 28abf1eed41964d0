"""What people are told of a source whose webhooks and pulls do not agree, and that it is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from impulsum_pipelines.alerts.lifecycle import Problem, raise_alert, resolve, unresolved
from impulsum_pipelines.webhooks.health.context import Case, last_event
from impulsum_pipelines.webhooks.health.matching import Said

#: Events that an alert names in words, and by id.
_EXAMPLES, _MOST = 5, 50


def silent(case: Case, since: datetime, missed: int) -> None:
    """No webhook tells of what pulls see.

    Args:
        case: the look.
        since: the last change that one told of, or the first that none told of.
        missed: changes that none told of since then.
    """
    source = case.source
    name, newest = source.title, last_event(case.connection, source.name)
    if newest is None:
        what = f"No webhook of {name} ever came, though its secret is set,"
    elif newest <= since + timedelta(minutes=1):
        what = f"No webhook of {name} since {_utc(newest)}"
    else:
        what = f"No webhook of {name} told of a change since {_utc(since)}"
    every = round(source.fallback_every / timedelta(minutes=1))
    _raise(
        case,
        "silent",
        f"{what} while pulls saw {missed} changes; it is polled every {every} minutes until they come again",
        "In business hours, that is; nothing is lost meanwhile, but what is urgent is heard of later. Check that "
        "`impulsum webhooks serve` runs and is reached from outside (GET /health answers 200), that the webhook is on "
        f"at {name} and its last deliveries were answered with 200, that {source.name.upper()}_WEBHOOK_SECRET is the "
        "one that is set there, and that inbox/failed in IMPULSUM_HOME holds none of them. "
        "`impulsum webhooks health` shows the rest.",
    )


def unseen(case: Case, overdue: Sequence[Said]) -> None:
    """Pulls ought to have shown these events, the oldest first, and did not."""
    which = f"{len(overdue)} events" if len(overdue) > 1 else "an event"
    examples = "; ".join(
        f"{event.type} of {', '.join(event.subjects[:2])}, {_utc(event.occurred_at)}" for event in overdue[:_EXAMPLES]
    )
    why = f"A complete live pull began at {_utc(case.found.watermark)}, and does not show it."
    if case.ended.is_failing:
        why = f"The newest live pull is {case.ended.live_status}: {case.ended.live_error or 'it left no reason'}."
    name = case.source.name
    _raise(
        case,
        "unseen",
        f"No pull of {case.source.title} shows {which}, the oldest of {_utc(overdue[0].occurred_at)}",
        f"{examples}. {why} A day that is over is read again by itself. Check that the account of the token may see "
        f"what they are about (`impulsum doctor`), and how pulls ended (`impulsum history {name}`).",
        [event.id for event in overdue[:_MOST]],
    )


def over(case: Case, kind: str, why: str) -> None:
    """It is over: ``silent`` or ``unseen``."""
    if (alert := unresolved(case.connection, _key(case, kind))) is not None:
        resolve(case.connection, alert, by="webhooks", at=case.at, settings=case.settings, note=why)


def _raise(case: Case, kind: str, title: str, detail: str, events: Sequence[int] = ()) -> None:
    raised = Problem(_key(case, kind), "webhooks", "P2", title, detail, {"events": events} if events else {})
    raise_alert(case.connection, raised, at=case.at, settings=case.settings)


def _key(case: Case, kind: str) -> str:
    return f"webhooks:{kind}:{case.source.name}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
