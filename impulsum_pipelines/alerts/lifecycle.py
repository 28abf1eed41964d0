"""The book of alerts: open, notified, acknowledged, resolved. Every change and what must be told of it, in one commit.

Every function works inside the caller's transaction, so an event and its alert are kept together or not at all. A key
has at most one alert that is not resolved; a unique index sees to it, whatever processes do. A transaction that raises
several alerts should do so in the order of their keys: on PostgreSQL two that wait for each other end in an error.

What is told, so that an alert never chatters:

- Raised again, it only counts (``occurrences``, evidence), unless it is worse than before: that is told, and needs an
  acknowledgement anew. It never becomes less urgent while it lasts. Whoever raises it may also say from when on an
  acknowledgement still counts; an older one is asked for again.
- That it is over is told once it has been over for ``IMPULSUM_SETTLE_MINUTES``. Back before that, it counts as never
  gone: the alert is as it was, acknowledged too, and nobody hears a thing. Each return doubles the time, up to four
  hours, so a signal that goes on and off falls silent.
- Back after that was told, but within twice the time and at least an hour, the same alert is opened again, and told.
- Later than that, it is a new alert.
- What is overtaken before any channel was tried is superseded: a worse state replaces the milder one, and of what was
  over before anybody could hear of it nothing is told. Only what waits for a digest stays there, as opened and
  resolved: who slept wants to know what the night was like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from impulsum_pipelines.alerts.notifications import log, may_be_heard, notify, supersede, was_tried
from impulsum_pipelines.alerts.priorities import PRIORITIES
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops.schema import alert_changes, alerts, notifications
from impulsum_pipelines.ops.store import insert
from impulsum_pipelines.settings import Settings

#: Values kept of each kind of evidence, the newest; and characters of title and detail.
MOST_EVIDENCE, LONGEST_TITLE, LONGEST_DETAIL = 50, 300, 4_000

_LONGEST_SETTLING = timedelta(hours=4)
_SHORTEST_RETURN = timedelta(hours=1)
#: Two processes may raise, resolve and raise one key in turns; more turns than these are an error in our code.
_TURNS = 20


@dataclass(frozen=True)
class Raised:
    """Something is wrong, as the part of the pipeline that saw it says.

    Args:
        key: what it is about; one alert that is not resolved a key.
        kind: what raised it: event, risk, freshness, webhooks, run.
        priority: P0, P1, P2 or P3.
        title: what is wrong, in one line.
        detail: what is known, and what to do next.
        evidence: by kind, such as ``{"events": [12, 13], "links": ["https://…"]}``.
        answered_since: an acknowledgement before does not answer this, when it is as urgent as the alert: it is told
            again. None when every acknowledgement does.

    Raises:
        ValueError: for another priority.
    """

    key: str
    kind: str
    priority: str
    title: str
    detail: str = ""
    evidence: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    answered_since: datetime | None = None

    def __post_init__(self) -> None:
        if self.priority not in PRIORITIES:
            raise ValueError(f"{self.priority!r} is none of {', '.join(PRIORITIES)}")


def raise_alert(connection: sa.Connection, raised: Raised, *, at: datetime, settings: Settings) -> int:
    """Open an alert, or count one more occurrence of the one that there is.

    Args:
        raised: what is wrong.
        at: now. Not the time of the event: quiet hours and settling are counted from it.
        settings: for quiet hours and settling.

    Returns:
        The alert's id.
    """
    alone(connection, raised.key)
    for _ in range(_TURNS):
        alert = _find(connection, raised.key)
        if alert is None and (gone := _lately_resolved(connection, raised.key, at, settings)) is not None:
            if not _reopen(connection, gone, raised, at, settings):
                continue
            alert = _locked(connection, gone.id)
        if alert is not None:
            _count(connection, alert, raised, at, settings)
            return int(alert.id)
        if (opened := _insert(connection, raised, at)) is not None:
            notify(connection, opened, "opened", at=at, settings=settings, by=raised.kind)
            return opened
    raise ImpulsumError(
        Category.INTERNAL,
        f"The alert could not be raised in {_TURNS} turns: others raise and resolve it all the time",
        where=raised.key,
        next_step="report this; the caller may simply try again.",
    )


def acknowledge(connection: sa.Connection, alert_id: int, *, by: str, at: datetime, note: str | None = None) -> bool:
    """Somebody is at it: it is not escalated any more.

    Returns:
        False when it was acknowledged already: nothing is changed then.

    Raises:
        ImpulsumError: there is no such alert, or it is resolved.
    """
    alert = _locked(connection, alert_id)
    if alert.state == "resolved":
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"Alert {alert_id} is resolved; only what is not over can be acknowledged",
            where=alert.key,
            next_step="`impulsum alerts list` shows what is not over.",
        )
    if alert.state == "acknowledged":
        return False
    supersede(connection, alert_id, only="escalated")
    _set(connection, alert_id, state="acknowledged", acknowledged_at=at, acknowledged_by=by)
    log(connection, alert_id, "acknowledged", at=at, by=by, note=note)
    return True


def resolve(
    connection: sa.Connection,
    alert_id: int,
    *,
    by: str,
    at: datetime,
    settings: Settings,
    note: str | None = None,
    person: bool = False,
    silently: bool = False,
) -> bool:
    """It is over.

    Args:
        alert_id: which; see :func:`unresolved` for the one of a key.
        by: who says so.
        at: now.
        settings: for quiet hours and settling.
        note: why.
        person: a person says so, which is told without settling; if it comes back, that is told too.
        silently: nobody is told, for nothing ended: it goes on under another alert, or was mere information.

    Returns:
        False when it was resolved already: nothing is changed then.

    Raises:
        ImpulsumError: there is no such alert.
    """
    alone(connection, sa.select(alerts.c.key).where(alerts.c.id == alert_id).scalar_subquery())
    alert = _locked(connection, alert_id)
    if alert.state == "resolved":
        return False
    supersede(connection, alert_id, spare_digest=not silently, tried=silently)
    _set(connection, alert_id, state="resolved", resolved_at=at)
    if not silently and may_be_heard(connection, alert_id):
        settled = at if person else at + _settling(connection, alert_id, settings)
        notify(connection, alert_id, "resolved", at=at, settings=settings, by=by, note=note, not_before=settled)
    else:
        log(connection, alert_id, "resolved", at=at, by=by, note=note)
    return True


def unresolved(connection: sa.Connection, key: str) -> int | None:
    """The id of a key's alert that is not resolved."""
    found = connection.execute(sa.select(alerts.c.id).where(alerts.c.key == key, alerts.c.state != "resolved")).scalar()
    return None if found is None else int(found)


def alone(connection: sa.Connection, key: str | sa.ScalarSelect[str]) -> None:
    """Let no other transaction change the key's alerts meanwhile: they lock rows and the index in no one order.

    SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))))


def _find(connection: sa.Connection, key: str) -> Any:
    return connection.execute(
        sa.select(alerts).where(alerts.c.key == key, alerts.c.state != "resolved").with_for_update()
    ).first()


def _locked(connection: sa.Connection, alert_id: int) -> Any:
    alert = connection.execute(sa.select(alerts).where(alerts.c.id == alert_id).with_for_update()).first()
    if alert is None:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"There is no alert {alert_id}",
            next_step="`impulsum alerts list --all` shows every alert.",
        )
    return alert


def _insert(connection: sa.Connection, raised: Raised, at: datetime) -> int | None:
    """The id of the new alert; None when another transaction opened one meanwhile."""
    opened = connection.execute(
        insert(connection, alerts)
        .values(
            key=raised.key,
            kind=raised.kind,
            priority=raised.priority,
            title=_one_line(raised.title),
            detail=raised.detail[:LONGEST_DETAIL],
            state="open",
            version=0,  # what is told counts it up
            occurrences=1,
            evidence=_merged({}, raised.evidence),
            opened_at=at,
            last_seen_at=at,
        )
        .on_conflict_do_nothing(index_elements=[alerts.c.key], index_where=sa.text("state <> 'resolved'"))
        .returning(alerts.c.id)
    ).scalar()
    return None if opened is None else int(opened)


def _count(connection: sa.Connection, alert: Any, raised: Raised, at: datetime, settings: Settings) -> None:
    """One more occurrence; what it says is replaced by news that is as urgent."""
    values: dict[str, Any] = {
        "occurrences": alert.occurrences + 1,
        "last_seen_at": max(alert.last_seen_at, at),
        "evidence": _merged(alert.evidence, raised.evidence),
    }
    if raised.priority <= alert.priority and at >= alert.last_seen_at:
        values |= {"title": _one_line(raised.title), "detail": raised.detail[:LONGEST_DETAIL]}
    worse = raised.priority < alert.priority
    forgotten = (
        raised.priority == alert.priority
        and alert.state == "acknowledged"
        and raised.answered_since is not None
        and alert.acknowledged_at < raised.answered_since
    )
    if worse or forgotten:
        values |= {"priority": raised.priority, "state": "open", "acknowledged_at": None, "acknowledged_by": None}
    _set(connection, alert.id, **values)
    if worse:
        supersede(connection, alert.id)
        note = f"{alert.priority} to {raised.priority}"
        notify(connection, alert.id, "worsened", at=at, settings=settings, by=raised.kind, note=note)
    elif forgotten:
        note = f"acknowledged long ago, {alert.acknowledged_at:%Y-%m-%d %H:%M} UTC"
        notify(connection, alert.id, "reopened", at=at, settings=settings, by=raised.kind, note=note)


def _lately_resolved(connection: sa.Connection, key: str, at: datetime, settings: Settings) -> Any:
    """The alert that the key had last, if it was resolved so lately that this is the same thing again."""
    alert = connection.execute(
        sa.select(alerts).where(alerts.c.key == key).order_by(alerts.c.id.desc()).limit(1).with_for_update()
    ).first()
    if alert is None or alert.state != "resolved":
        return None
    same = max(_SHORTEST_RETURN, 2 * _settling(connection, alert.id, settings))
    return alert if at < alert.resolved_at + same else None


def _reopen(connection: sa.Connection, alert: Any, raised: Raised, at: datetime, settings: Settings) -> bool:
    """Put a resolved alert back; False when another transaction opened one of the key meanwhile."""
    supersede(connection, alert.id, only="resolved")
    last_told = sa.select(notifications.c.id).where(
        notifications.c.alert_id == alert.id, notifications.c.version == alert.version
    )
    believed_over = connection.execute(
        last_told.where(notifications.c.what == "resolved", notifications.c.status == "addressed", was_tried())
    ).first()
    unheard = connection.execute(last_told.where(notifications.c.what != "resolved")).first()
    if believed_over or unheard:
        values: dict[str, Any] = {"state": "open", "acknowledged_at": None, "acknowledged_by": None}
    elif alert.acknowledged_at:
        values = {"state": "acknowledged"}
    else:
        values = {"state": "notified" if alert.notified_at else "open"}
    try:
        with connection.begin_nested():
            _set(connection, alert.id, resolved_at=None, **values)
    except IntegrityError:
        return False
    if believed_over or unheard:
        supersede(connection, alert.id, only="resolved", tried=True)
        notify(connection, alert.id, "reopened", at=at, settings=settings, by=raised.kind)
    else:
        log(connection, alert.id, "reopened", at=at, by=raised.kind, note="nobody had heard that it was over")
    return True


def _settling(connection: sa.Connection, alert_id: int, settings: Settings) -> timedelta:
    returns = connection.execute(
        sa.select(sa.func.count()).where(alert_changes.c.alert_id == alert_id, alert_changes.c.change == "reopened")
    ).scalar_one()
    settling: timedelta = timedelta(minutes=settings.impulsum_settle_minutes) * 2 ** min(returns, 10)
    return min(settling, _LONGEST_SETTLING)


def _set(connection: sa.Connection, alert_id: int, **values: Any) -> None:
    connection.execute(sa.update(alerts).where(alerts.c.id == alert_id).values(**values))


def _merged(held: Mapping[str, Sequence[str | int]], new: Mapping[str, Sequence[str | int]]) -> dict[str, Any]:
    """Both, each value once, the newest of each kind."""
    kinds = {**held, **new}
    return {kind: list(dict.fromkeys([*held.get(kind, ()), *new.get(kind, ())]))[-MOST_EVIDENCE:] for kind in kinds}


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_TITLE]
