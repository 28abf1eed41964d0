"""Each event is written once, with the event that it repeats and the incident that it is part of."""

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
from impulsum_pipelines.webhooks.events.triage import Verdict

#: The same, said again within this, is a duplicate: two hooks on one repository, a site with two webhooks.
REPEATED_WITHIN = timedelta(minutes=10)

#: Built once: to build a statement costs more than to run it.
_WRITE = sa.insert(events).returning(events.c.id)


@dataclass(frozen=True)
class Arrival:
    """An event that is to be written down.

    Args:
        event: what it says.
        verdict: how urgent it is.
        file: name of the drop file.
        headers: those that are no secret.
        signature: ``valid`` or ``unsigned``.
    """

    event: Event
    verdict: Verdict
    file: str
    headers: Mapping[str, str]
    signature: str


@dataclass(frozen=True)
class Recorded:
    """What became of an event that is new.

    Args:
        event: its id.
        place: the incident that it is part of; None for noise, which is part of none.
    """

    event: int
    place: incidents.Place | None


def record(connection: sa.Connection, arrivals: Sequence[Arrival], *, committed_at: datetime) -> list[Recorded | None]:
    """Write events down, in the caller's transaction.

    Args:
        connection: of a transaction.
        arrivals: in the order in which they are written.
        committed_at: now.

    Returns:
        What became of each; None for those that are held already.
    """
    incidents.alone(connection)
    held, said = _held(connection, arrivals), _Said(connection, arrivals)
    recorded: list[Recorded | None] = []
    for arrival in arrivals:
        event, verdict = arrival.event, arrival.verdict
        if (event.source, event.key) in held:
            recorded.append(None)
            continue
        held.add((event.source, event.key))
        original = said.before(event)
        place = None if verdict.priority == "noise" else incidents.place(connection, event, verdict)
        found = {"duplicate_of": original, "incident_id": place and place.incident}
        written = connection.execute(_WRITE, _row(arrival) | found | {"committed_at": committed_at})
        event_id: int = written.scalar_one()
        said.add(event, event_id, original)
        if place is not None and place.may_begin_with_it:
            incidents.name(connection, place.incident, event.occurred_at)
        recorded.append(Recorded(event_id, place))
    return recorded


def _row(arrival: Arrival) -> dict[str, Any]:
    event, verdict = arrival.event, arrival.verdict
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
        "priority": verdict.priority,
        "rule": verdict.rule,
        "content": event.content or None,
        "file": arrival.file,
        "headers": dict(arrival.headers),
        "body": event.body,
    }


def _held(connection: sa.Connection, arrivals: Sequence[Arrival]) -> set[tuple[str, str]]:
    """Source and key of what is written already; of others with such a key too."""
    sources, keys = ({getattr(arrival.event, name) for arrival in arrivals} for name in ("source", "key"))
    wanted = sa.select(events.c.source, events.c.key).where(events.c.source.in_(sources), events.c.key.in_(keys))
    return {(row.source, row.key) for row in connection.execute(wanted)}


class _Said:
    """What was said at about the time of some events, and may be said again by them."""

    def __init__(self, connection: sa.Connection, arrivals: Sequence[Arrival]) -> None:
        self._said: dict[tuple[str, str, str], list[tuple[datetime, int]]] = defaultdict(list)
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

    def before(self, event: Event) -> int | None:
        """The first event that said the same, of those that were written before."""
        if not event.content:
            return None
        said = self._said[event.source, event.type, event.content]
        return next((original for at, original in said if abs(event.occurred_at - at) <= REPEATED_WITHIN), None)

    def add(self, event: Any, event_id: int, original: int | None) -> None:
        """Remember an event, or its row."""
        self._said[event.source, event.type, event.content].append((event.occurred_at, original or event_id))
