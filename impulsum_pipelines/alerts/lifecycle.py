"""The life of an alert: open, notified, acknowledged, resolved. A change and its notification are one commit.

Every function runs inside the caller's transaction, so an event and its alert are stored together or not at all. A key
has at most one unresolved alert; a unique index ensures it across processes. A transaction that raises several alerts
should do so in the order of their keys: on PostgreSQL, two transactions that wait for each other end in an error.

When people are notified, so that an alert does not flap:

- Raised again, an alert only counts (``occurrences``, evidence). If it is worse than before, people are notified, and
  it needs a new acknowledgement. An unresolved alert never becomes less urgent. The caller may also say how old an
  acknowledgement may be; an older one must be given again.
- "Resolved" is sent once the alert has been over for ``IMPULSUM_SETTLE_MINUTES``. If the problem returns before that,
  the alert counts as never resolved: it keeps its state, acknowledged too, and nobody is notified. Each return doubles
  the time, up to four hours, so an unstable signal falls silent.
- If the problem returns after "resolved" was sent, but within twice that time and at least an hour, the same alert is
  reopened, and people are notified.
- Later than that, it is a new alert.
- A notification that is outdated before any channel was tried is superseded: a worse state replaces the milder one,
  and nothing is sent about an alert that was resolved before anybody could know of it. Only what waits for a digest
  stays there, as opened and resolved: people want to know in the morning what happened in the night.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from impulsum_pipelines.alerts.notifications import (
    may_be_delivered,
    notify,
    people_may_know,
    record_change,
    supersede,
)
from impulsum_pipelines.alerts.priorities import PRIORITIES
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops.schema import alert_changes, alerts, notifications
from impulsum_pipelines.ops.store import dialect_insert
from impulsum_pipelines.settings import Settings

#: How many values of each kind of evidence are stored, the newest; and how many characters of title and detail.
MOST_EVIDENCE, LONGEST_TITLE, LONGEST_DETAIL = 50, 300, 4_000

_LONGEST_SETTLING = timedelta(hours=4)
_SHORTEST_RETURN = timedelta(hours=1)
#: Two processes may raise and resolve one key in turns. More retries than this mean a defect in this code.
_MOST_RETRIES = 20


@dataclass(frozen=True)
class Problem:
    """Something is wrong, as the code that detected it describes it.

    Args:
        key: what it is about; a key has at most one unresolved alert.
        kind: what raised it: event, risk, freshness, webhooks, run.
        priority: P0, P1, P2 or P3.
        title: what is wrong, in one line.
        detail: what is known, and what to do next.
        evidence: by kind, such as ``{"events": [12, 13], "links": ["https://…"]}``.
        acknowledged_since: the oldest acknowledgement that still counts, when this is as urgent as the alert. If the
            alert was acknowledged earlier, people are notified again. None when every acknowledgement counts.

    Raises:
        ValueError: the priority is not one of these four.
    """

    key: str
    kind: str
    priority: str
    title: str
    detail: str = ""
    evidence: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    acknowledged_since: datetime | None = None

    def __post_init__(self) -> None:
        if self.priority not in PRIORITIES:
            raise ValueError(f"{self.priority!r} is none of {', '.join(PRIORITIES)}")


def raise_alert(connection: sa.Connection, problem: Problem, *, at: datetime, settings: Settings) -> int:
    """Open an alert, or count one more occurrence of the key's unresolved alert.

    Args:
        connection: of a transaction.
        problem: what is wrong.
        at: now, and not the time of the event: quiet hours and settling are counted from it.
        settings: for quiet hours and settling.

    Returns:
        The alert's id.

    Raises:
        ImpulsumError: of category internal, when other processes raise and resolve the key all the time.
    """
    lock_key(connection, problem.key)
    for _ in range(_MOST_RETRIES):
        alert = _find_unresolved(connection, problem.key)
        if alert is None and (recent := _recently_resolved(connection, problem.key, at, settings)) is not None:
            if not _reopen(connection, recent, problem, at, settings):
                continue
            alert = _locked(connection, recent.id)
        if alert is not None:
            _count(connection, alert, problem, at, settings)
            return int(alert.id)
        if (opened := _insert(connection, problem, at)) is not None:
            notify(connection, opened, "opened", at=at, settings=settings, by=problem.kind)
            return opened
    raise ImpulsumError(
        Category.INTERNAL,
        f"The alert could not be raised in {_MOST_RETRIES} tries: other processes raise and resolve it all the time",
        where=problem.key,
        next_step="try again; if it fails again, report this as a defect.",
    )


def acknowledge(connection: sa.Connection, alert_id: int, *, by: str, at: datetime, note: str | None = None) -> bool:
    """Record that somebody takes care of an alert: it is no longer escalated.

    Args:
        connection: of a transaction.
        alert_id: id of the alert.
        by: who acknowledges it.
        at: now.
        note: stored in the alert's history.

    Returns:
        False when it was acknowledged already; then nothing changes.

    Raises:
        ImpulsumError: there is no such alert, or it is resolved.
    """
    alert = _locked(connection, alert_id)
    if alert.state == "resolved":
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"Alert {alert_id} is resolved; only an unresolved alert can be acknowledged",
            where=alert.key,
            next_step="choose one of `impulsum alerts list`.",
        )
    if alert.state == "acknowledged":
        return False
    supersede(connection, alert_id, only="escalated")
    _set(connection, alert_id, state="acknowledged", acknowledged_at=at, acknowledged_by=by)
    record_change(connection, alert_id, "acknowledged", at=at, by=by, note=note)
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
    """Record that an alert is over. "Resolved" is sent after the settling time, if people know of the alert.

    Args:
        connection: of a transaction.
        alert_id: id of the alert; :func:`unresolved` finds it by key.
        by: who resolves it.
        at: now.
        settings: for quiet hours and settling.
        note: why, stored in the alert's history and shown to people.
        person: a person resolves it. "Resolved" is sent at once; if the problem returns, people are notified.
        silently: notify nobody, because the problem continues under another alert, or was only information.

    Returns:
        False when it was resolved already; then nothing changes.

    Raises:
        ImpulsumError: there is no such alert.
    """
    lock_key(connection, sa.select(alerts.c.key).where(alerts.c.id == alert_id).scalar_subquery())
    alert = _locked(connection, alert_id)
    if alert.state == "resolved":
        return False
    supersede(connection, alert_id, keep_digest=not silently, attempted_too=silently)
    _set(connection, alert_id, state="resolved", resolved_at=at)
    if not silently and people_may_know(connection, alert_id):
        settled = at if person else at + _settling(connection, alert_id, settings)
        notify(connection, alert_id, "resolved", at=at, settings=settings, by=by, note=note, not_before=settled)
    else:
        record_change(connection, alert_id, "resolved", at=at, by=by, note=note)
    return True


def unresolved(connection: sa.Connection, key: str) -> int | None:
    """The id of a key's unresolved alert; None when it has none."""
    found = connection.execute(sa.select(alerts.c.id).where(alerts.c.key == key, alerts.c.state != "resolved")).scalar()
    return None if found is None else int(found)


def lock_key(connection: sa.Connection, key: str | sa.ScalarSelect[str]) -> None:
    """Keep other transactions from changing the key's alerts until this one ends.

    Without this lock two transactions may wait for each other, since they lock rows and the index in different orders.
    SQLite needs none: it has one writer.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))))


def _find_unresolved(connection: sa.Connection, key: str) -> Any:
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


def _insert(connection: sa.Connection, problem: Problem, at: datetime) -> int | None:
    """The id of the new alert; None when another transaction has just opened one."""
    opened = connection.execute(
        dialect_insert(connection, alerts)
        .values(
            key=problem.key,
            kind=problem.kind,
            priority=problem.priority,
            title=_one_line(problem.title),
            detail=problem.detail[:LONGEST_DETAIL],
            state="open",
            version=0,  # each notification increments it
            occurrences=1,
            evidence=_merged({}, problem.evidence),
            opened_at=at,
            last_seen_at=at,
        )
        .on_conflict_do_nothing(index_elements=[alerts.c.key], index_where=sa.text("state <> 'resolved'"))
        .returning(alerts.c.id)
    ).scalar()
    return None if opened is None else int(opened)


def _count(connection: sa.Connection, alert: Any, problem: Problem, at: datetime, settings: Settings) -> None:
    """Count one more occurrence; a problem that is at least as urgent also replaces title and detail."""
    values: dict[str, Any] = {
        "occurrences": alert.occurrences + 1,
        "last_seen_at": max(alert.last_seen_at, at),
        "evidence": _merged(alert.evidence, problem.evidence),
    }
    if problem.priority <= alert.priority and at >= alert.last_seen_at:
        values |= {"title": _one_line(problem.title), "detail": problem.detail[:LONGEST_DETAIL]}
    is_worse = problem.priority < alert.priority
    has_expired = (
        problem.priority == alert.priority
        and alert.state == "acknowledged"
        and problem.acknowledged_since is not None
        and alert.acknowledged_at < problem.acknowledged_since
    )
    if is_worse or has_expired:
        values |= {"priority": problem.priority, "state": "open", "acknowledged_at": None, "acknowledged_by": None}
    _set(connection, alert.id, **values)
    if is_worse:
        supersede(connection, alert.id)
        note = f"{alert.priority} to {problem.priority}"
        notify(connection, alert.id, "worsened", at=at, settings=settings, by=problem.kind, note=note)
    elif has_expired:
        note = f"acknowledged long ago, {alert.acknowledged_at:%Y-%m-%d %H:%M} UTC"
        notify(connection, alert.id, "reopened", at=at, settings=settings, by=problem.kind, note=note)


def _recently_resolved(connection: sa.Connection, key: str, at: datetime, settings: Settings) -> Any:
    """The key's newest alert, if it was resolved so recently that this counts as the same problem."""
    alert = connection.execute(
        sa.select(alerts).where(alerts.c.key == key).order_by(alerts.c.id.desc()).limit(1).with_for_update()
    ).first()
    if alert is None or alert.state != "resolved":
        return None
    window = max(_SHORTEST_RETURN, 2 * _settling(connection, alert.id, settings))
    return alert if at < alert.resolved_at + window else None


def _reopen(connection: sa.Connection, alert: Any, problem: Problem, at: datetime, settings: Settings) -> bool:
    """Reopen a resolved alert; False when another transaction has just opened one of this key."""
    supersede(connection, alert.id, only="resolved")
    newest = sa.select(notifications.c.id).where(
        notifications.c.alert_id == alert.id, notifications.c.version == alert.version
    )
    believed_over = connection.execute(
        newest.where(notifications.c.what == "resolved", notifications.c.status == "addressed", may_be_delivered())
    ).first()
    resolved_silently = connection.execute(newest.where(notifications.c.what != "resolved")).first()
    if believed_over or resolved_silently:
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
    if believed_over or resolved_silently:
        supersede(connection, alert.id, only="resolved", attempted_too=True)
        notify(connection, alert.id, "reopened", at=at, settings=settings, by=problem.kind)
    else:
        record_change(
            connection, alert.id, "reopened", at=at, by=problem.kind, note="nobody was notified that it was over"
        )
    return True


def _settling(connection: sa.Connection, alert_id: int, settings: Settings) -> timedelta:
    returns = connection.execute(
        sa.select(sa.func.count()).where(alert_changes.c.alert_id == alert_id, alert_changes.c.change == "reopened")
    ).scalar_one()
    settling: timedelta = timedelta(minutes=settings.impulsum_settle_minutes) * 2 ** min(returns, 10)
    return min(settling, _LONGEST_SETTLING)


def _set(connection: sa.Connection, alert_id: int, **values: Any) -> None:
    connection.execute(sa.update(alerts).where(alerts.c.id == alert_id).values(**values))


def _merged(stored: Mapping[str, Sequence[str | int]], new: Mapping[str, Sequence[str | int]]) -> dict[str, Any]:
    """Evidence of both, without duplicates, the newest values of each kind."""
    kinds = {**stored, **new}
    return {kind: list(dict.fromkeys([*stored.get(kind, ()), *new.get(kind, ())]))[-MOST_EVIDENCE:] for kind in kinds}


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_TITLE]
