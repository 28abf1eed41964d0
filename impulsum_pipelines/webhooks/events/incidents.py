"""Grouping events into incidents.

Two incidents belong together when they share a subject and at most ``SPAN`` lies between them, by the events' own
times; they are merged at once. An incident only ever grows, so the same events make the same incidents in any order of
arrival.

Every function works in the caller's transaction. Call :func:`serialize` first, so that no two processes place events at
the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, incident_subjects, incidents
from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.rules import EVENT_PRIORITIES
from impulsum_pipelines.webhooks.events.triage import Classification

#: The longest time between events on one subject that belong together.
SPAN = timedelta(hours=12)

#: Kinds of subjects that group events; of each kind only the nearest subject counts, so a message that names ten issues
#: does not join ten incidents. A wide subject (repository, channel, sprint) only groups events without a nearer one.
BINDING = ("issue", "issue-id", "repository-issue", "pull", "thread", "page", "meeting", "worklog")

#: Number of the PostgreSQL advisory lock for placing events; any number that is used for nothing else.
_PLACING = 5_140_271_937

# Built once: building a statement costs more than running it.
_IN_TIME = incidents.c.first_at <= sa.bindparam("latest"), incidents.c.last_at >= sa.bindparam("earliest")
_NEAR = (
    sa.select(incidents, incident_subjects.c.subject)
    .join(incident_subjects, incident_subjects.c.incident_id == incidents.c.id)
    .where(incident_subjects.c.subject.in_(sa.bindparam("subjects", expanding=True)), *_IN_TIME)
    .order_by(incidents.c.id)
)
_own, _other = incident_subjects.alias("own"), incident_subjects.alias("other")
_NEIGHBOURS = (
    sa.select(incidents.c.id)
    .distinct()
    .select_from(_own)
    .join(_other, _other.c.subject == _own.c.subject)
    .join(incidents, incidents.c.id == _other.c.incident_id)
    .where(_own.c.incident_id == sa.bindparam("incident"), _other.c.incident_id != _own.c.incident_id, *_IN_TIME)
)
_OPEN = sa.insert(incidents).returning(incidents.c.id)
_CHANGE = sa.update(incidents).where(incidents.c.id == sa.bindparam("incident"))
_ADD_SUBJECTS = sa.insert(incident_subjects)
_BEGAN = (
    sa.select(events.c.title, events.c.type)
    .join(incidents, sa.and_(incidents.c.id == events.c.incident_id, incidents.c.first_at == events.c.occurred_at))
    .where(incidents.c.id == sa.bindparam("incident"), incidents.c.first_at == sa.bindparam("at"))
    .order_by(events.c.source, events.c.key)
    .limit(1)
)


@dataclass(frozen=True)
class Placement:
    """The incident of an event.

    Args:
        incident: its id.
        absorbed: ids of incidents that were merged into it and no longer exist.
        may_be_first: the event may be the first of several: update the incident's title once the event is written.
    """

    incident: int
    absorbed: tuple[int, ...] = ()
    may_be_first: bool = False


def serialize(connection: sa.Connection) -> None:
    """Let only this transaction place events until it ends, so that no process misses what another has just placed."""
    if connection.dialect.name == "postgresql":  # on SQLite a transaction has the database for itself anyway
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PLACING)))


def place_event(connection: sa.Connection, event: Event, classification: Classification) -> Placement:
    """Find, open or merge the incident of an event that is about to be written.

    When the event connects several incidents, the oldest keeps its id and takes the others' events and subjects.
    """
    subjects, at = binding_subjects(event.subjects), event.occurred_at
    near = connection.execute(_NEAR, {"subjects": subjects, "latest": at + SPAN, "earliest": at - SPAN}).all()
    if not near:
        row = {"priority": classification.priority, "title": event.title or event.type, "first_at": at, "last_at": at}
        opened: int = connection.execute(_OPEN, row).scalar_one()
        _add_subjects(connection, opened, subjects)
        return Placement(opened)
    oldest = near[0]
    known = {row.subject for row in near if row.id == oldest.id}
    grown = _Extent.merged([oldest, _Extent(oldest.id, classification.priority, at, at)])
    grown.update(connection, oldest)
    _add_subjects(connection, oldest.id, [subject for subject in subjects if subject not in known])
    if oldest.first_at <= at <= oldest.last_at and known.issuperset(subjects) and near[-1].id == oldest.id:
        return Placement(oldest.id, may_be_first=at == oldest.first_at)
    incident, absorbed = _merge_neighbours(connection, grown)
    return Placement(incident, absorbed, may_be_first=at <= oldest.first_at)


def update_title(connection: sa.Connection, incident: int, at: datetime) -> None:
    """Give an incident the title of its first event, if its first event happened at this time."""
    if (row := connection.execute(_BEGAN, {"incident": incident, "at": at}).one_or_none()) is not None:
        connection.execute(_CHANGE, {"incident": incident, "title": row.title or row.type})


def binding_subjects(subjects: Iterable[str]) -> tuple[str, ...]:
    """The subjects that group an event with others: the nearest of each binding kind, else its nearest subject."""
    listed = tuple(subjects)
    nearest: dict[str, str] = {}
    for subject in listed:
        nearest.setdefault(subject.partition(":")[0], subject)
    return tuple(nearest[kind] for kind in BINDING if kind in nearest) or listed[:1]


@dataclass(frozen=True)
class _Extent:
    """The time span and priority of an incident, or of one event that joins it."""

    id: int
    priority: str
    first_at: datetime
    last_at: datetime

    @classmethod
    def merged(cls, parts: Sequence[Any]) -> _Extent:
        """The extent of several incidents together, with the id of the first."""
        return cls(
            parts[0].id,
            min((part.priority for part in parts), key=EVENT_PRIORITIES.index),
            min(part.first_at for part in parts),
            max(part.last_at for part in parts),
        )

    def update(self, connection: sa.Connection, row: Any) -> None:
        """Update the incident's row where it differs."""
        changed = {name: value for name, value in vars(self).items() if value != getattr(row, name)}
        if changed:
            connection.execute(_CHANGE, {"incident": self.id, **changed})


def _merge_neighbours(connection: sa.Connection, grown: _Extent) -> tuple[int, tuple[int, ...]]:
    """Merge an incident that has grown with all that it now touches.

    Returns:
        The id of the merged incident, and the ids of those that no longer exist.
    """
    group = {grown.id}
    while True:
        span = {"latest": grown.last_at + SPAN, "earliest": grown.first_at - SPAN}
        others: Sequence[int] = connection.execute(_NEIGHBOURS, {"incident": grown.id, **span}).scalars().all()
        if not others:
            return grown.id, tuple(sorted(group - {grown.id}))
        group.update(others)
        grown = _merge(connection, {grown.id, *others})


def _merge(connection: sa.Connection, group: set[int]) -> _Extent:
    """Merge several incidents into the oldest, which keeps its id."""
    rows = connection.execute(sa.select(incidents).where(incidents.c.id.in_(group)).order_by(incidents.c.id)).all()
    grown, absorbed = _Extent.merged(rows), [row.id for row in rows[1:]]
    grown.update(connection, rows[0])
    of_absorbed = incident_subjects.c.incident_id.in_(absorbed)
    of_kept = sa.select(incident_subjects.c.subject).where(incident_subjects.c.incident_id == grown.id)
    missing = sa.select(incident_subjects.c.subject).where(of_absorbed, incident_subjects.c.subject.not_in(of_kept))
    _add_subjects(connection, grown.id, connection.execute(missing.distinct()).scalars().all())
    connection.execute(sa.update(events).where(events.c.incident_id.in_(absorbed)).values(incident_id=grown.id))
    connection.execute(sa.delete(incident_subjects).where(of_absorbed))
    connection.execute(sa.delete(incidents).where(incidents.c.id.in_(absorbed)))
    update_title(connection, grown.id, grown.first_at)
    return grown


def _add_subjects(connection: sa.Connection, incident: int, subjects: Iterable[str]) -> None:
    if rows := [{"incident_id": incident, "subject": subject} for subject in subjects]:
        connection.execute(_ADD_SUBJECTS, rows)
