"""Which events say the same, and which belong together; each event is written once.

All that is here is called within the caller's transaction, and alone: two processes that work off one inbox wait for
each other, so that neither misses what the other has just placed.

Two incidents belong together when they share a subject and no more than ``SPAN`` lies between them, by the events' own
times. Whatever joins them later only brings them closer, so that the same events make the same incidents in whatever
order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, incident_subjects, incidents
from impulsum_pipelines.ops.store import insert
from impulsum_pipelines.webhooks.event import Event
from impulsum_pipelines.webhooks.rules import PRIORITIES
from impulsum_pipelines.webhooks.triage import Verdict

#: Events on one subject belong together when no more than this lies between them.
SPAN = timedelta(hours=12)

#: The same, said again within this, is a duplicate: two hooks on one repository, a site with two webhooks.
REPEATED_WITHIN = timedelta(minutes=10)

#: Kinds of subject that bind events together, the nearest of each kind. What is wide, as a repository, a channel or a
#: sprint, binds only events that are about nothing nearer; a message that names ten issues binds no ten issues.
BINDING = ("issue", "issue-id", "repository-issue", "pull", "thread", "page", "meeting", "worklog")

#: PostgreSQL's advisory lock of whoever places events; any number that nobody else uses.
_PLACING = 5_140_271_937


@dataclass(frozen=True)
class Placed:
    """What an event is part of.

    Args:
        incident: its incident; None for noise, which is part of none.
        absorbed: incidents that are part of that one from now on, and nothing by themselves.
    """

    incident: int | None
    absorbed: tuple[int, ...] = ()


def record(
    connection: sa.Connection,
    event: Event,
    verdict: Verdict,
    *,
    file: str,
    headers: Mapping[str, str],
    signature: str,
    committed_at: datetime,
) -> int | None:
    """Write an event down; its id, or None when it is held already.

    Args:
        file: name of the drop file.
        headers: those that are no secret.
        signature: ``valid`` or ``unsigned``.
        committed_at: now.
    """
    _alone(connection)
    row = {
        "source": event.source,
        "key": event.key,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "committed_at": committed_at,
        "signature": signature,
        "subjects": list(event.subjects),
        "title": event.title,
        "url": event.url,
        "actor": event.actor,
        "priority": verdict.priority,
        "rule": verdict.rule,
        "content": event.content or None,
        "file": file,
        "headers": dict(headers),
        "body": event.body,
    }
    written = insert(connection, events).values(row).on_conflict_do_nothing(index_elements=["source", "key"])
    return connection.execute(written.returning(events.c.id)).scalar_one_or_none()


def place(connection: sa.Connection, event_id: int, event: Event, verdict: Verdict) -> Placed:
    """Say what an event that was just recorded repeats, and what it is part of.

    Its row then names the event that it duplicates, and the incident: a new one, the one that its subjects are part
    of, or the one that it makes of several. Of these the oldest is kept, and the others' events and subjects are its.
    """
    _alone(connection)
    original = _original(connection, event_id, event)
    placed = Placed(None) if verdict.priority == "noise" else _incident(connection, event, verdict)
    found = {"duplicate_of": original, "incident_id": placed.incident}
    connection.execute(sa.update(events).where(events.c.id == event_id).values(found))
    if placed.incident is not None:
        _name(connection, placed.incident, event.occurred_at)
    return placed


def binding(subjects: Iterable[str]) -> tuple[str, ...]:
    """The subjects by which an event belongs to others: the nearest of each binding kind, else its nearest one."""
    listed = tuple(subjects)
    nearest: dict[str, str] = {}
    for subject in listed:
        nearest.setdefault(subject.partition(":")[0], subject)
    return tuple(nearest[kind] for kind in BINDING if kind in nearest) or listed[:1]


def _alone(connection: sa.Connection) -> None:
    """To the end of the transaction. On SQLite a transaction is alone from its beginning."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PLACING)))


def _original(connection: sa.Connection, event_id: int, event: Event) -> int | None:
    """The first event that said the same, of those that came before."""
    if not event.content:
        return None
    same = (
        sa.select(sa.func.coalesce(events.c.duplicate_of, events.c.id))
        .where(
            events.c.content == event.content,
            events.c.source == event.source,
            events.c.type == event.type,
            events.c.id < event_id,
            events.c.occurred_at.between(event.occurred_at - REPEATED_WITHIN, event.occurred_at + REPEATED_WITHIN),
        )
        .order_by(events.c.id)
        .limit(1)
    )
    return connection.execute(same).scalar_one_or_none()


def _incident(connection: sa.Connection, event: Event, verdict: Verdict) -> Placed:
    """The incident of an event, with whatever it joins."""
    subjects = binding(event.subjects)
    at = event.occurred_at
    known: int | None = connection.execute(
        sa.select(sa.func.min(incidents.c.id))
        .join(incident_subjects, incident_subjects.c.incident_id == incidents.c.id)
        .where(incident_subjects.c.subject.in_(subjects), *_near(at, at))
    ).scalar_one()
    if known is None:
        row = {"priority": verdict.priority, "title": event.title or event.type, "first_at": at, "last_at": at}
        known = connection.execute(sa.insert(incidents).values(row).returning(incidents.c.id)).scalar_one()
    else:
        _widen(connection, known, verdict.priority, at, at)
    _add_subjects(connection, known, subjects)
    group = {known}
    while others := _neighbours(connection, known):
        group.update(others)
        known = _merge(connection, {known, *others})
    return Placed(known, tuple(sorted(group - {known})))


def _near(first_at: datetime, last_at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return incidents.c.first_at <= last_at + SPAN, incidents.c.last_at >= first_at - SPAN


def _neighbours(connection: sa.Connection, incident: int) -> list[int]:
    """Other incidents that share a subject with this one, near enough."""
    held = connection.execute(sa.select(incidents).where(incidents.c.id == incident)).one()
    own, other = incident_subjects.alias("own"), incident_subjects.alias("other")
    shared = (
        sa.select(incidents.c.id)
        .distinct()
        .select_from(own)
        .join(other, other.c.subject == own.c.subject)
        .join(incidents, incidents.c.id == other.c.incident_id)
        .where(own.c.incident_id == incident, other.c.incident_id != incident, *_near(held.first_at, held.last_at))
    )
    return list(connection.execute(shared).scalars())


def _merge(connection: sa.Connection, group: set[int]) -> int:
    """Make one of several: the oldest keeps its id."""
    kept, *absorbed = sorted(group)
    gone = connection.execute(sa.select(incidents).where(incidents.c.id.in_(absorbed))).all()
    for row in gone:
        _widen(connection, kept, row.priority, row.first_at, row.last_at)
    of_gone = incident_subjects.c.incident_id.in_(absorbed)
    subjects = sa.select(incident_subjects.c.subject).where(of_gone).distinct()
    _add_subjects(connection, kept, connection.execute(subjects).scalars().all())
    connection.execute(sa.update(events).where(events.c.incident_id.in_(absorbed)).values(incident_id=kept))
    connection.execute(sa.delete(incident_subjects).where(of_gone))
    connection.execute(sa.delete(incidents).where(incidents.c.id.in_(absorbed)))
    for row in gone:
        _name(connection, kept, row.first_at)
    return kept


def _widen(connection: sa.Connection, incident: int, priority: str, first_at: datetime, last_at: datetime) -> None:
    held = connection.execute(sa.select(incidents).where(incidents.c.id == incident)).one()
    wider = {
        "priority": min(held.priority, priority, key=PRIORITIES.index),
        "first_at": min(held.first_at, first_at),
        "last_at": max(held.last_at, last_at),
    }
    connection.execute(sa.update(incidents).where(incidents.c.id == incident).values(wider))


def _add_subjects(connection: sa.Connection, incident: int, subjects: Iterable[str]) -> None:
    if rows := [{"incident_id": incident, "subject": subject} for subject in subjects]:
        connection.execute(insert(connection, incident_subjects).on_conflict_do_nothing(), rows)


def _name(connection: sa.Connection, incident: int, at: datetime) -> None:
    """Give an incident the title of the event that it began with, when what came to it at this time may be that."""
    first_at: datetime = connection.execute(
        sa.select(incidents.c.first_at).where(incidents.c.id == incident)
    ).scalar_one()
    if at > first_at:
        return
    began = (
        sa.select(events.c.title, events.c.type)
        .where(events.c.incident_id == incident, events.c.occurred_at == first_at)
        .order_by(events.c.source, events.c.key)
        .limit(1)
    )
    if (row := connection.execute(began).one_or_none()) is not None:
        named = sa.update(incidents).where(incidents.c.id == incident).values(title=row.title or row.type)
        connection.execute(named)
