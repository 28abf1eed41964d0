"""Matching events with pulled changes: which pull has shown an event, and which event reported a change.

Both are matched by subject and time, once each, when they are new; one without a counterpart waits for it. Every
function works in the caller's transaction and may be repeated: nothing is counted twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, pulled_changes
from impulsum_pipelines.ops.store import dialect_insert
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import Source
from impulsum_pipelines.webhooks.health.pulled import LOOK_BACK, Change, PulledState, scope_key
from impulsum_pipelines.webhooks.readers import PulledKind, readers

#: ``events.seen_by`` of events that no pull has to show: pings, reactions, noise, what was taken back.
NOT_PULLED = "none"

#: Deletions are found by a census at night, so they may take this long.
_A_NIGHT = timedelta(hours=36)

#: The most events in one check; of more, the older ones are left for the next check.
_MOST = 5_000

#: A scope counts as having webhooks for this long after one reported a change in it.
WATCHED_FOR = timedelta(days=14)


@dataclass(frozen=True)
class EventRow:
    """The columns of an event that matching needs.

    Args:
        id: of its row.
        type: the vendor's name of what happened.
        occurred_at: when (UTC).
        subjects: what it is about, the nearest first.
        priority: P0 to P3, or noise.
    """

    id: int
    type: str
    occurred_at: datetime
    subjects: Sequence[str]
    priority: str


def unseen_events(connection: sa.Connection, source: str, after: datetime | None) -> list[EventRow]:
    """The events of a source after a time that no pull has shown yet, at most the newest ``_MOST``."""
    unseen = _event_rows().where(events.c.source == source, events.c.seen_by.is_(None))
    if after is not None:
        unseen = unseen.where(events.c.occurred_at >= after)
    return _fetch(connection, unseen.order_by(events.c.occurred_at.desc()).limit(_MOST))


def oldest_unseen_at(connection: sa.Connection, ids: Sequence[int]) -> datetime | None:
    """When the oldest of these events happened that no pull has shown yet; None when all are shown."""
    unseen = sa.select(sa.func.min(events.c.occurred_at, type_=events.c.occurred_at.type))
    return connection.execute(unseen.where(events.c.id.in_(ids), events.c.seen_by.is_(None))).scalar()


def compared_from(watermark: datetime, back_to: datetime | None) -> datetime:
    """The time from which events are compared: ``LOOK_BACK`` before the watermark, or :func:`oldest_unseen_at`."""
    return min(filter(None, [watermark - LOOK_BACK, back_to]))


def subjects_to_find(source: str, rows: Iterable[EventRow]) -> set[str]:
    """The subjects whose stored rows can show these events."""
    found = (_shown_by(source, event) for event in rows)
    return {subject for _, subject in filter(None, found)}


def mark_shown_events(
    connection: sa.Connection,
    source: Source,
    unseen: Sequence[EventRow],
    pulled: PulledState,
    settings: Settings,
    *,
    failing_at: datetime | None,
    back_to: datetime | None = None,
) -> list[EventRow]:
    """Store for each event which sync has shown it, or that no sync has to.

    Args:
        connection: the transaction.
        source: the source.
        unseen: from :func:`unseen_events`.
        pulled: what is stored of their subjects.
        settings: the settings.
        failing_at: now, when the newest live pull failed; events that wait too long are then overdue by our clock.
        back_to: from :func:`oldest_unseen_at`.

    Returns:
        The overdue events, which a pull should have shown by now, the oldest first.
    """
    undone = _undone(source.name, unseen)
    earliest = compared_from(pulled.watermark, back_to)
    waited_until = max(pulled.watermark, failing_at or pulled.watermark)
    shown: dict[str, list[int]] = defaultdict(list)
    overdue = []
    for event in unseen:
        if event.occurred_at < earliest:
            continue
        shown_by = _shown_by(source.name, event)
        if shown_by is None or event.priority == "noise":
            shown[NOT_PULLED].append(event.id)
            continue
        kind, subject = shown_by
        is_deletion = event.type in kind.deleted_by
        due = event.occurred_at + (_A_NIGHT if is_deletion else source.fresh_within)
        is_needless = (
            (not is_deletion and subject in undone and undone[subject] >= event.occurred_at)
            or not kind.is_pulled(subject, event.occurred_at, settings)
            or (due < pulled.watermark and not _is_in_pulled_scope(event, kind, pulled))
        )
        if sync_id := (_sync_without if is_deletion else _sync_with)(event, kind, subject, pulled):
            shown[sync_id].append(event.id)
        elif is_needless:
            shown[NOT_PULLED].append(event.id)
        elif due < waited_until:
            overdue.append(event)
    for sync_id, ids in shown.items():
        still_unseen = events.c.id.in_(ids), events.c.seen_by.is_(None)
        connection.execute(sa.update(events).where(*still_unseen).values(seen_by=sync_id))
    return sorted(overdue, key=lambda event: (event.occurred_at, event.id))


def record_changes(connection: sa.Connection, source: str, pulled: PulledState, events_until: int) -> int:
    """Store the changes that pulls found, and which event reported each.

    Args:
        connection: the transaction.
        source: name of the source.
        pulled: what pulls found.
        events_until: id of the last event of the earlier check.

    Returns:
        Id of the last event of this check.
    """
    _insert_changes(connection, source, pulled.changes)
    until = connection.execute(sa.select(sa.func.max(events.c.id)).where(events.c.source == source)).scalar() or 0
    after = pulled.watermark - LOOK_BACK
    tolerance = min(max((kind.tolerance for kind in readers()[source].pulled_kinds), default=timedelta()), LOOK_BACK)
    of_source = events.c.source == source, events.c.occurred_at >= after, events.c.id <= until
    rows = _fetch(connection, _event_rows().where(*of_source, events.c.id > events_until))
    if pulled.changes:
        first, last = (pick(change.changed_at for change in pulled.changes) for pick in (min, max))
        near = events.c.occurred_at.between(first - tolerance, last + tolerance)
        rows += _fetch(connection, _event_rows().where(*of_source, near, events.c.id <= events_until))
    if rows:
        first, last = (pick(event.occurred_at for event in rows) for pick in (min, max))
        _match(connection, source, rows, max(first - tolerance, after), last + tolerance)
    return until


@dataclass(frozen=True)
class WatchedScopes:
    """The scopes in which webhooks should report every change.

    Args:
        since: scopes, each with the time from which it is watched.
        all_since: the time from which every other scope is watched; None when only those in ``since`` are.
    """

    since: Mapping[str, datetime]
    all_since: datetime | None

    def __bool__(self) -> bool:
        return bool(self.since) or self.all_since is not None

    def expects(self, scope: str, changed_at: datetime) -> bool:
        """Whether a webhook should have reported a change."""
        since = self.since.get(scope, self.all_since)
        return since is not None and changed_at > since


def mark_missed(connection: sa.Connection, source: str, until: datetime, watched: WatchedScopes) -> list[datetime]:
    """Mark waiting changes older than ``until`` as missed, or as unwatched where no webhook should have reported them.

    Args:
        connection: the transaction.
        source: name of the source.
        until: only earlier changes are marked.
        watched: the scopes in which webhooks should report every change.

    Returns:
        The times of the missed changes, in order.
    """
    c = pulled_changes.c
    waiting = sa.select(c.id, c.part, c.changed_at).where(
        c.source == source, c.outcome == "waiting", c.changed_at < until
    )
    outcomes, missed = [], []
    for change in connection.execute(waiting.order_by(c.changed_at)):
        is_missed = watched.expects(change.part, change.changed_at)
        outcomes.append({"change": change.id, "new_outcome": "missed" if is_missed else "unwatched"})
        if is_missed:
            missed.append(change.changed_at)
    if outcomes:
        marked = sa.update(pulled_changes).where(c.id == sa.bindparam("change"))
        connection.execute(marked.values(outcome=sa.bindparam("new_outcome")), outcomes)
    return missed


def reported_scopes(connection: sa.Connection, source: str, at: datetime) -> dict[str, datetime]:
    """The scopes in which webhooks reported a change within :data:`WATCHED_FOR`, with the first such change."""
    c = pulled_changes.c
    reported = c.source == source, c.outcome == "told", c.changed_at.between(at - WATCHED_FOR, at)
    recent = sa.select(c.part, sa.func.min(c.changed_at).label("first")).where(*reported).group_by(c.part)
    return {row.part: row.first for row in connection.execute(recent)}


def _event_rows() -> sa.Select[Any]:
    c = events.c
    return sa.select(c.id, c.type, c.occurred_at, c.subjects, c.priority)


def _fetch(connection: sa.Connection, query: sa.Select[Any]) -> list[EventRow]:
    rows: Sequence[Any] = connection.execute(query).all()
    return [EventRow(*row) for row in rows]


def _shown_by(source: str, event: EventRow) -> tuple[PulledKind, str] | None:
    """The kind of thing and the nearest subject by which a pull must show an event; None when no pull has to."""
    kinds = {
        kind.kind: kind
        for kind in readers()[source].pulled_kinds
        if event.type in kind.changed_by or event.type in kind.deleted_by
    }
    for subject in event.subjects:
        if kind := kinds.get(subject.partition(":")[0]):
            return kind, subject
    return None


def _undone(source: str, rows: Iterable[EventRow]) -> dict[str, datetime]:
    """Subjects that were deleted or taken back, each with the last time."""
    undone_by = {name for kind in readers()[source].pulled_kinds for name in (*kind.deleted_by, *kind.undone_by)}
    found: dict[str, datetime] = {}
    for event in rows:
        if event.type in undone_by:
            for subject in event.subjects:
                found[subject] = max(found.get(subject, event.occurred_at), event.occurred_at)
    return found


def _sync_with(event: EventRow, kind: PulledKind, subject: str, pulled: PulledState) -> str | None:
    """The sync that has shown a change as late as the event."""
    stored = pulled.stored.get(subject)
    is_shown = stored and (stored.is_gone or stored.changed_at >= event.occurred_at - kind.tolerance)
    return stored.sync_id if stored and is_shown else None


def _sync_without(event: EventRow, _kind: PulledKind, subject: str, pulled: PulledState) -> str | None:
    """The sync that has shown the subject as deleted. A subject that was never stored counts as deleted."""
    stored = pulled.stored.get(subject)
    if stored is None:
        return pulled.sync_id if event.occurred_at < pulled.watermark else None
    return stored.sync_id if stored.is_gone else None


def _is_in_pulled_scope(event: EventRow, kind: PulledKind, pulled: PulledState) -> bool:
    """Whether the project, repository or channel of the event is pulled; True when the event does not say which."""
    scope = kind.scope_of(event.subjects)
    return scope is None or scope_key(kind, scope) in pulled.scopes


def _insert_changes(connection: sa.Connection, source: str, changes: Sequence[Change]) -> None:
    rows = [
        {
            "source": source,
            "subject": change.subject,
            "name": change.name,
            "part": change.scope,
            "changed_at": change.changed_at,
            "day": change.changed_at.date(),
            "sync_id": change.sync_id,
            "outcome": "waiting",
        }
        for change in changes
    ]
    if rows:
        same = ["source", "subject", "changed_at"]
        connection.execute(dialect_insert(connection, pulled_changes).on_conflict_do_nothing(index_elements=same), rows)


def _match(connection: sa.Connection, source: str, rows: Collection[EventRow], first: datetime, last: datetime) -> None:
    """Store the nearest event, if it is near enough, for every change of a span that has none."""
    tolerances = {kind.kind: kind.tolerance for kind in readers()[source].pulled_kinds}
    by_subject: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for event in rows:
        for subject in event.subjects:
            if subject.partition(":")[0] in tolerances:
                by_subject[subject].append((event.occurred_at, event.id))
    for of_subject in by_subject.values():
        of_subject.sort()
    c = pulled_changes.c
    unreported = sa.select(c.id, c.subject, c.changed_at).where(
        c.source == source, c.outcome.in_(["waiting", "missed", "unwatched"]), c.changed_at.between(first, last)
    )
    reported = []
    for change in connection.execute(unreported):
        if moments := by_subject.get(change.subject):
            at, event_id = _nearest(moments, change.changed_at)
            if abs(at - change.changed_at) <= tolerances[change.subject.partition(":")[0]]:
                reported.append({"change": change.id, "event": event_id})
    if reported:
        matched = sa.update(pulled_changes).where(c.id == sa.bindparam("change"))
        connection.execute(matched.values(outcome="told", told_by=sa.bindparam("event")), reported)


def _nearest(moments: list[tuple[datetime, int]], at: datetime) -> tuple[datetime, int]:
    place = bisect_left(moments, (at, 0))
    return min(moments[max(place - 1, 0) : place + 1], key=lambda moment: abs(moment[0] - at))
