"""Which events belong together.

Two incidents belong together when they share a subject and no more than ``SPAN`` lies between them, by the events' own
times. Whatever joins them later only brings them closer, so that the same events make the same incidents in whatever
order they come. No two that belong together are ever left apart.

All that is here is called within the caller's transaction, and alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, incident_subjects, incidents
from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.rules import PRIORITIES
from impulsum_pipelines.webhooks.events.triage import Verdict

#: Events on one subject belong together when no more than this lies between them.
SPAN = timedelta(hours=12)

#: Kinds of subject that bind events together, the nearest of each kind. What is wide, as a repository, a channel or a
#: sprint, binds only events that are about nothing nearer; a message that names ten issues binds no ten issues.
BINDING = ("issue", "issue-id", "repository-issue", "pull", "thread", "page", "meeting", "worklog")

#: PostgreSQL's advisory lock of whoever places events; any number that nobody else uses.
_PLACING = 5_140_271_937

# Built once: to build a statement costs more than to run it.
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
class Place:
    """Where an event belongs.

    Args:
        incident: what it is part of.
        absorbed: incidents that are part of that one from now on, and nothing by themselves.
        may_begin_with_it: the event may be the first of several: the incident is to be named once it is written.
    """

    incident: int
    absorbed: tuple[int, ...] = ()
    may_begin_with_it: bool = False


def alone(connection: sa.Connection) -> None:
    """Place events alone to the end of the transaction: two processes must not miss what the other has just placed."""
    if connection.dialect.name == "postgresql":  # on SQLite a transaction is alone from its beginning
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PLACING)))


def place(connection: sa.Connection, event: Event, verdict: Verdict) -> Place:
    """The incident of an event that is about to be written.

    That is a new one, the one that its subjects are part of, or the one that it makes of several. Of these the oldest
    is kept, and the others' events and subjects are its.
    """
    subjects, at = binding(event.subjects), event.occurred_at
    near = connection.execute(_NEAR, {"subjects": subjects, "latest": at + SPAN, "earliest": at - SPAN}).all()
    if not near:
        row = {"priority": verdict.priority, "title": event.title or event.type, "first_at": at, "last_at": at}
        opened: int = connection.execute(_OPEN, row).scalar_one()
        _add_subjects(connection, opened, subjects)
        return Place(opened)
    held = near[0]
    known = {row.subject for row in near if row.id == held.id}
    grown = _Grown.of([held, _Grown(held.id, verdict.priority, at, at)])
    grown.write(connection, over=held)
    _add_subjects(connection, held.id, [subject for subject in subjects if subject not in known])
    if held.first_at <= at <= held.last_at and known.issuperset(subjects) and near[-1].id == held.id:
        return Place(held.id, may_begin_with_it=at == held.first_at)
    whole, absorbed = _with_neighbours(connection, grown)
    return Place(whole, absorbed, may_begin_with_it=at <= held.first_at)


def name(connection: sa.Connection, incident: int, at: datetime) -> None:
    """Give an incident the title of the event that it began with, when that may be what came to it at this time."""
    if (row := connection.execute(_BEGAN, {"incident": incident, "at": at}).one_or_none()) is not None:
        connection.execute(_CHANGE, {"incident": incident, "title": row.title or row.type})


def binding(subjects: Iterable[str]) -> tuple[str, ...]:
    """The subjects by which an event belongs to others: the nearest of each binding kind, else its nearest one."""
    listed = tuple(subjects)
    nearest: dict[str, str] = {}
    for subject in listed:
        nearest.setdefault(subject.partition(":")[0], subject)
    return tuple(nearest[kind] for kind in BINDING if kind in nearest) or listed[:1]


@dataclass(frozen=True)
class _Grown:
    """An incident that may have become wider, or more urgent; or what makes it so."""

    id: int
    priority: str
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, parts: Sequence[Any]) -> _Grown:
        """The first of several incidents with the others in it."""
        return cls(
            parts[0].id,
            min((part.priority for part in parts), key=PRIORITIES.index),
            min(part.first_at for part in parts),
            max(part.last_at for part in parts),
        )

    def write(self, connection: sa.Connection, *, over: Any) -> None:
        """Write what is not in its row yet."""
        grown = {name: value for name, value in vars(self).items() if value != getattr(over, name)}
        if grown:
            connection.execute(_CHANGE, {"incident": self.id, **grown})


def _with_neighbours(connection: sa.Connection, grown: _Grown) -> tuple[int, tuple[int, ...]]:
    """What an incident that has grown is part of now, and what became part of that."""
    group = {grown.id}
    while True:
        span = {"latest": grown.last_at + SPAN, "earliest": grown.first_at - SPAN}
        others: Sequence[int] = connection.execute(_NEIGHBOURS, {"incident": grown.id, **span}).scalars().all()
        if not others:
            return grown.id, tuple(sorted(group - {grown.id}))
        group.update(others)
        grown = _merge(connection, {grown.id, *others})


def _merge(connection: sa.Connection, group: set[int]) -> _Grown:
    """Make one of several: the oldest keeps its id."""
    rows = connection.execute(sa.select(incidents).where(incidents.c.id.in_(group)).order_by(incidents.c.id)).all()
    grown, absorbed = _Grown.of(rows), [row.id for row in rows[1:]]
    grown.write(connection, over=rows[0])
    of_gone = incident_subjects.c.incident_id.in_(absorbed)
    of_kept = sa.select(incident_subjects.c.subject).where(incident_subjects.c.incident_id == grown.id)
    lacking = sa.select(incident_subjects.c.subject).where(of_gone, incident_subjects.c.subject.not_in(of_kept))
    _add_subjects(connection, grown.id, connection.execute(lacking.distinct()).scalars().all())
    connection.execute(sa.update(events).where(events.c.incident_id.in_(absorbed)).values(incident_id=grown.id))
    connection.execute(sa.delete(incident_subjects).where(of_gone))
    connection.execute(sa.delete(incidents).where(incidents.c.id.in_(absorbed)))
    name(connection, grown.id, grown.first_at)
    return grown


def _add_subjects(connection: sa.Connection, incident: int, subjects: Iterable[str]) -> None:
    if rows := [{"incident_id": incident, "subject": subject} for subject in subjects]:
        connection.execute(_ADD_SUBJECTS, rows)
