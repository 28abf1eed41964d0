"""Storing each event once, with the event that it repeats and its incident."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events
from impulsum_pipelines.webhooks.events import incidents
from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.triage import Classification

#: An event with the same content within this time is a duplicate: two hooks on one repository, two on one site.
REPEATED_WITHIN = timedelta(minutes=10)

#: Built once: building a statement costs more than running it.
_WRITE = sa.insert(events).returning(events.c.id)


@dataclass(frozen=True)
class Arrival:
    """An event that is to be stored.

    Args:
        event: the event.
        classification: how urgent it is.
        file: name of its drop file.
        headers: the harmless headers of the request.
        signature: ``valid`` or ``unsigned``.
    """

    event: Event
    classification: Classification
    file: str
    headers: Mapping[str, str]
    signature: str


@dataclass(frozen=True)
class Recorded:
    """A newly stored event.

    Args:
        event: its id.
        placement: its incident; None for noise, which belongs to no incident.
    """

    event: int
    placement: incidents.Placement | None


def record_events(
    connection: sa.Connection, arrivals: Sequence[Arrival], *, committed_at: datetime
) -> list[Recorded | None]:
    """Store events, in the caller's transaction.

    Args:
        connection: of a transaction.
        arrivals: the events, in the order in which they are stored.
        committed_at: now.

    Returns:
        One result per arrival; None for an event that is already stored.
    """
    incidents.serialize(connection)
    stored, recent = _stored_keys(connection, arrivals), _RecentContent(connection, arrivals)
    recorded: list[Recorded | None] = []
    for arrival in arrivals:
        event, classification = arrival.event, arrival.classification
        if (event.source, event.key) in stored:
            recorded.append(None)
            continue
        stored.add((event.source, event.key))
        original = recent.original_of(event)
        placement = (
            None if classification.priority == "noise" else incidents.place_event(connection, event, classification)
        )
        links = {"duplicate_of": original, "incident_id": placement and placement.incident}
        inserted = connection.execute(_WRITE, _row(arrival) | links | {"committed_at": committed_at})
        event_id: int = inserted.scalar_one()
        recent.add(event, event_id, original)
        if placement is not None and placement.may_be_first:
            incidents.update_title(connection, placement.incident, event.occurred_at)
        recorded.append(Recorded(event_id, placement))
    return recorded


def _row(arrival: Arrival) -> dict[str, Any]:
    event, classification = arrival.event, arrival.classification
    return {
        "source": event.source,
        "key": event.key,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "signature": arrival.signature,
        "subjects": list(event.subjects),
        "title": event.title,
        "url": event.url,
        "actor": event.actor,
        "priority": classification.priority,
        "rule": classification.rule,
        "content": event.content or None,
        "file": arrival.file,
        "headers": dict(arrival.headers),
        "body": event.body,
    }


def _stored_keys(connection: sa.Connection, arrivals: Sequence[Arrival]) -> set[tuple[str, str]]:
    """(source, key) pairs that are already stored; may include pairs of other events."""
    sources, keys = ({getattr(arrival.event, name) for arrival in arrivals} for name in ("source", "key"))
    wanted = sa.select(events.c.source, events.c.key).where(events.c.source.in_(sources), events.c.key.in_(keys))
    return {(row.source, row.key) for row in connection.execute(wanted)}


class _RecentContent:
    """Stored events with the same content as the arrivals and at about their time, to find duplicates."""

    def __init__(self, connection: sa.Connection, arrivals: Sequence[Arrival]) -> None:
        self._by_content: dict[tuple[str, str, str], list[tuple[datetime, int]]] = defaultdict(list)
        times = [arrival.event.occurred_at for arrival in arrivals]
        c = events.c
        same = (
            sa.select(c.id, c.duplicate_of, c.source, c.type, c.content, c.occurred_at)
            .where(
                c.content.in_({arrival.event.content for arrival in arrivals}),
                c.occurred_at.between(min(times) - REPEATED_WITHIN, max(times) + REPEATED_WITHIN),
            )
            .order_by(c.id)
        )
        for row in connection.execute(same):
            self.add(row, row.id, row.duplicate_of)

    def original_of(self, event: Event) -> int | None:
        """The id of the first stored event with the same content; None when there is none."""
        if not event.content:
            return None
        same = self._by_content[event.source, event.type, event.content]
        return next((original for at, original in same if abs(event.occurred_at - at) <= REPEATED_WITHIN), None)

    def add(self, event: Any, event_id: int, original: int | None) -> None:
        """Remember an event, or its row."""
        self._by_content[event.source, event.type, event.content].append((event.occurred_at, original or event_id))
