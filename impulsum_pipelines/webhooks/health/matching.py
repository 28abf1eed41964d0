"""Events and pulled changes held against each other: what a pull has shown of an event, what event told of a change.

Both are matched by subject and time, each once, when it is new; what has no counterpart yet waits for it. Everything
here happens in the caller's transaction and may be done again: nothing is counted twice.
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
from impulsum_pipelines.webhooks.health.pulled import LOOK_BACK, Change, Look, part_of
from impulsum_pipelines.webhooks.readers import Pulled, readers

#: ``events.seen_by`` of what no pull has to show: pings, reactions, noise, what was taken back.
NOT_PULLED = "none"

#: Deletions are found by the census of a night.
_A_NIGHT = timedelta(hours=36)

#: Events that are looked at together; of very many more, the older ones the next time.
_MOST = 5_000

#: A webhook counts as one that tells of a part of a source for so long after it did.
REMEMBERED = timedelta(days=14)


@dataclass(frozen=True)
class Said:
    """An event, as far as it matters here.

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


def unseen(connection: sa.Connection, source: str, after: datetime | None) -> list[Said]:
    """The events of a source, after a time, that no pull is known to have shown; of very many the newest."""
    waiting = _said().where(events.c.source == source, events.c.seen_by.is_(None))
    if after is not None:
        waiting = waiting.where(events.c.occurred_at >= after)
    return _all(connection, waiting.order_by(events.c.occurred_at.desc()).limit(_MOST))


def oldest_waiting(connection: sa.Connection, ids: Sequence[int]) -> datetime | None:
    """When the oldest of some events happened that no pull has shown yet; None when none waits."""
    waiting = sa.select(sa.func.min(events.c.occurred_at, type_=events.c.occurred_at.type))
    return connection.execute(waiting.where(events.c.id.in_(ids), events.c.seen_by.is_(None))).scalar()


def looked_at_from(watermark: datetime, back_to: datetime | None) -> datetime:
    """From when on events are looked at, by a watermark and :func:`oldest_waiting`: what waits is never too old."""
    return min(filter(None, [watermark - LOOK_BACK, back_to]))


def asked_for(source: str, said: Iterable[Said]) -> set[str]:
    """The subjects by which a pull may have shown these events."""
    found = (_shown_by(source, event) for event in said)
    return {subject for _, subject in filter(None, found)}


def see(
    connection: sa.Connection,
    source: Source,
    said: Sequence[Said],
    found: Look,
    settings: Settings,
    *,
    failing_at: datetime | None,
    back_to: datetime | None = None,
) -> list[Said]:
    """Write down which sync has shown each event, and which events no sync has to show.

    Args:
        connection: the transaction.
        source: the source.
        said: of :func:`unseen`.
        found: what is held of what they are about.
        settings: the settings.
        failing_at: now, when the newest live pull failed: what waits too long then waits for a pull that works.
        back_to: of :func:`oldest_waiting`.

    Returns:
        The events that a pull should have shown by now, the oldest first.
    """
    undone = _undone(source.name, said)
    earliest = looked_at_from(found.watermark, back_to)
    lately = [event for event in said if event.occurred_at >= earliest]
    waited_until = max(found.watermark, failing_at or found.watermark)
    seen: dict[str, list[int]] = defaultdict(list)
    overdue = []
    for event in lately:
        shown_by = _shown_by(source.name, event)
        if shown_by is None or event.priority == "noise":
            seen[NOT_PULLED].append(event.id)
            continue
        pulled, subject = shown_by
        is_deletion = event.type in pulled.deleted_by
        due = event.occurred_at + (_A_NIGHT if is_deletion else source.fresh_within)
        needless = (
            (not is_deletion and subject in undone and undone[subject] >= event.occurred_at)
            or not pulled.is_read(subject, event.occurred_at, settings)
            or (due < found.watermark and not _is_of_a_held_part(event, pulled, found))
        )
        if sync_id := (_gone if is_deletion else _shown)(event, pulled, subject, found):
            seen[sync_id].append(event.id)
        elif needless:
            seen[NOT_PULLED].append(event.id)
        elif due < waited_until:
            overdue.append(event)
    for sync_id, ids in seen.items():
        waiting = events.c.id.in_(ids), events.c.seen_by.is_(None)
        connection.execute(sa.update(events).where(*waiting).values(seen_by=sync_id))
    return sorted(overdue, key=lambda event: (event.occurred_at, event.id))


def tell(connection: sa.Connection, source: str, found: Look, events_until: int) -> int:
    """Write down the changes that a look found, and which event told of each.

    Args:
        connection: the transaction.
        source: name of the source.
        found: the look.
        events_until: the id of the last event that was matched before.

    Returns:
        The id of the last event that is matched now.
    """
    _record(connection, source, found.changes)
    until = connection.execute(sa.select(sa.func.max(events.c.id)).where(events.c.source == source)).scalar() or 0
    after = found.watermark - LOOK_BACK
    apart = min(max((pulled.apart for pulled in readers()[source].pulled), default=timedelta()), LOOK_BACK)
    of_source = events.c.source == source, events.c.occurred_at >= after, events.c.id <= until
    said = _all(connection, _said().where(*of_source, events.c.id > events_until))
    if found.changes:
        first, last = (pick(change.changed_at for change in found.changes) for pick in (min, max))
        near = events.c.occurred_at.between(first - apart, last + apart)
        said += _all(connection, _said().where(*of_source, near, events.c.id <= events_until))
    if said:
        first, last = (pick(event.occurred_at for event in said) for pick in (min, max))
        _match(connection, source, said, max(first - apart, after), last + apart)
    return until


@dataclass(frozen=True)
class Watched:
    """Of what webhooks ought to tell.

    Args:
        parts: parts, and from when on.
        all_since: from when on of every part; None when only these count.
    """

    parts: Mapping[str, datetime]
    all_since: datetime | None

    def __bool__(self) -> bool:
        return bool(self.parts) or self.all_since is not None

    def ought(self, part: str, changed_at: datetime) -> bool:
        """Whether they ought to have told of a change."""
        since = self.parts.get(part, self.all_since)
        return since is not None and changed_at > since


def judge(connection: sa.Connection, source: str, until: datetime, watched: Watched) -> list[datetime]:
    """Call the changes before a time missed that still wait for an event, where webhooks ought to have told of them.

    Args:
        connection: the transaction.
        source: name of the source.
        until: changes before are judged.
        watched: of what webhooks ought to tell.

    Returns:
        The times of those that were missed, in order.
    """
    c = pulled_changes.c
    waiting = sa.select(c.id, c.part, c.changed_at).where(
        c.source == source, c.outcome == "waiting", c.changed_at < until
    )
    verdicts, missed = [], []
    for change in connection.execute(waiting.order_by(c.changed_at)):
        is_missed = watched.ought(change.part, change.changed_at)
        verdicts.append({"change": change.id, "verdict": "missed" if is_missed else "unwatched"})
        if is_missed:
            missed.append(change.changed_at)
    if verdicts:
        judged = sa.update(pulled_changes).where(c.id == sa.bindparam("change"))
        connection.execute(judged.values(outcome=sa.bindparam("verdict")), verdicts)
    return missed


def parts_told_of(connection: sa.Connection, source: str, at: datetime) -> dict[str, datetime]:
    """The parts of a source of which webhooks told lately, with the first change that they told of."""
    c = pulled_changes.c
    told = c.source == source, c.outcome == "told", c.changed_at.between(at - REMEMBERED, at)
    lately = sa.select(c.part, sa.func.min(c.changed_at).label("first")).where(*told).group_by(c.part)
    return {row.part: row.first for row in connection.execute(lately)}


def _said() -> sa.Select[Any]:
    c = events.c
    return sa.select(c.id, c.type, c.occurred_at, c.subjects, c.priority)


def _all(connection: sa.Connection, wanted: sa.Select[Any]) -> list[Said]:
    rows: Sequence[Any] = connection.execute(wanted).all()
    return [Said(*row) for row in rows]


def _shown_by(source: str, event: Said) -> tuple[Pulled, str] | None:
    """By what a pull must show an event, and of which subject: the nearest; None where none has to."""
    kinds = {
        pulled.kind: pulled
        for pulled in readers()[source].pulled
        if event.type in pulled.changed_by or event.type in pulled.deleted_by
    }
    for subject in event.subjects:
        if pulled := kinds.get(subject.partition(":")[0]):
            return pulled, subject
    return None


def _undone(source: str, said: Iterable[Said]) -> dict[str, datetime]:
    """Subjects of which something was taken back, and when last."""
    undone_by = {kind for pulled in readers()[source].pulled for kind in (*pulled.deleted_by, *pulled.undone_by)}
    found: dict[str, datetime] = {}
    for event in said:
        if event.type in undone_by:
            for subject in event.subjects:
                found[subject] = max(found.get(subject, event.occurred_at), event.occurred_at)
    return found


def _shown(event: Said, pulled: Pulled, subject: str, found: Look) -> str | None:
    """The sync that has shown a change as late as the event."""
    held = found.held.get(subject)
    is_shown = held and (held.is_gone or held.changed_at >= event.occurred_at - pulled.apart)
    return held.sync_id if held and is_shown else None


def _gone(event: Said, _pulled: Pulled, subject: str, found: Look) -> str | None:
    """The sync after which it was gone; what was never held is."""
    held = found.held.get(subject)
    if held is None:
        return found.sync_id if event.occurred_at < found.watermark else None
    return held.sync_id if held.is_gone else None


def _is_of_a_held_part(event: Said, pulled: Pulled, found: Look) -> bool:
    """Whether the project, repository or channel is one that is pulled, as far as the event says which."""
    part = pulled.part_of(event.subjects)
    return part is None or part_of(pulled, part) in found.parts


def _record(connection: sa.Connection, source: str, changes: Sequence[Change]) -> None:
    rows = [
        {
            "source": source,
            "subject": change.subject,
            "name": change.name,
            "part": change.part,
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


def _match(connection: sa.Connection, source: str, said: Collection[Said], first: datetime, last: datetime) -> None:
    """Write the nearest event, if one is near enough, to every change of a span that has none."""
    apart = {pulled.kind: pulled.apart for pulled in readers()[source].pulled}
    by_subject: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for event in said:
        for subject in event.subjects:
            if subject.partition(":")[0] in apart:
                by_subject[subject].append((event.occurred_at, event.id))
    for said_of in by_subject.values():
        said_of.sort()
    c = pulled_changes.c
    untold = sa.select(c.id, c.subject, c.changed_at).where(
        c.source == source, c.outcome.in_(["waiting", "missed", "unwatched"]), c.changed_at.between(first, last)
    )
    told = []
    for change in connection.execute(untold):
        if moments := by_subject.get(change.subject):
            at, event_id = _nearest(moments, change.changed_at)
            if abs(at - change.changed_at) <= apart[change.subject.partition(":")[0]]:
                told.append({"change": change.id, "event": event_id})
    if told:
        matched = sa.update(pulled_changes).where(c.id == sa.bindparam("change"))
        connection.execute(matched.values(outcome="told", told_by=sa.bindparam("event")), told)


def _nearest(moments: list[tuple[datetime, int]], at: datetime) -> tuple[datetime, int]:
    place = bisect_left(moments, (at, 0))
    return min(moments[max(place - 1, 0) : place + 1], key=lambda moment: abs(moment[0] - at))
