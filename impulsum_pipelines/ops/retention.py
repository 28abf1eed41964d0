"""What of the ops store is let go of by age: old events, syncs, pulled changes, missed ranges and resolved alerts.

What is not over is kept whole, however old: events that an unresolved alert names, and those of an incident that goes
on or that such an event is part of. It is deleted in small transactions, so that no webhook waits for the end, and so
that whoever is killed on the way has done a part of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops import store
from impulsum_pipelines.ops.schema import (
    alerts,
    deliveries,
    events,
    incidents,
    missed_ranges,
    notifications,
    pulled_changes,
    syncs,
)
from impulsum_pipelines.settings import Settings

#: Rows that one transaction deletes.
_PIECE = 1000

#: Share of a SQLite file that may be free before the file is written anew.
_MOST_FREE = 0.25


@dataclass(frozen=True)
class Pruned:
    """What was deleted, and what the store takes on disk.

    Args:
        rows: rows deleted, by table; what hangs on them went with them.
        bytes_before: size of the database before.
        bytes_after: size of the database after.
    """

    rows: dict[str, int]
    bytes_before: int
    bytes_after: int


def prune(settings: Settings, before: datetime) -> Pruned:
    """Delete what is over and older than ``before``.

    Raises:
        ImpulsumError: the ops store cannot be used.
    """
    bytes_before = size(settings)
    rows = {
        table.name: _in_pieces(settings, table, choose)
        for table, choose in (
            (alerts, lambda _: sa.select(alerts.c.id).where(alerts.c.resolved_at < before, _is_resolved())),
            (deliveries, lambda _: _untold_of()),
            (events, lambda connection: _old_events(connection, before)),
            (incidents, lambda connection: _old_incidents(connection, before)),
            (syncs, lambda _: sa.select(syncs.c.sync_id).where(syncs.c.started_at < before)),
            (pulled_changes, lambda _: sa.select(pulled_changes.c.id).where(pulled_changes.c.changed_at < before)),
            (missed_ranges, lambda _: _old_ranges(before)),
        )
    }
    _compact(settings)
    return Pruned(rows, bytes_before, size(settings))


def size(settings: Settings) -> int:
    """Bytes that the store takes.

    Raises:
        ImpulsumError: the ops store cannot be used.
    """
    with store.transaction(settings) as connection:
        if connection.dialect.name == "sqlite":
            return _pragma(connection, "page_count") * _pragma(connection, "page_size")
        return int(connection.execute(sa.select(sa.func.pg_database_size(sa.func.current_database()))).scalar_one())


def _in_pieces(settings: Settings, table: sa.Table, choose: Callable[[sa.Connection], sa.Select[Any]]) -> int:
    [key] = table.primary_key.columns
    deleted = 0
    while True:
        with store.transaction(settings) as connection:
            ids: Sequence[Any] = connection.execute(choose(connection).limit(_PIECE)).scalars().all()
            connection.execute(table.delete().where(key.in_(ids)))
        deleted += len(ids)
        if not ids:
            return deleted


def _untold_of() -> sa.Select[Any]:
    """Deliveries of messages that no alert is left of; a digest tells of several."""
    told = sa.select(notifications.c.message_id)
    return sa.select(deliveries.c.id).where(deliveries.c.message_id.not_in(told))


def _old_events(connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    """Events to delete. One that others repeat goes after them."""
    named = _named_events(connection)
    going_on = sa.select(incidents.c.id).where(incidents.c.last_at >= before)
    alarming = sa.select(events.c.incident_id).where(events.c.id.in_(named), events.c.incident_id.is_not(None))
    repeated = sa.select(events.c.duplicate_of).where(events.c.duplicate_of.is_not(None))
    return sa.select(events.c.id).where(
        events.c.committed_at < before,
        events.c.id.not_in(named),
        events.c.id.not_in(repeated),
        events.c.incident_id.is_(None)
        | (events.c.incident_id.not_in(going_on) & events.c.incident_id.not_in(alarming)),
    )


def _old_incidents(connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    """Incidents to delete: those of which no event is left."""
    left = sa.select(events.c.incident_id).where(events.c.incident_id.is_not(None))
    return sa.select(incidents.c.id).where(incidents.c.last_at < before, incidents.c.id.not_in(left))


def _old_ranges(before: datetime) -> sa.Select[Any]:
    c = missed_ranges.c
    return sa.select(c.id).where(c.to_at < before, c.status != "open")


def _named_events(connection: sa.Connection) -> set[int]:
    """Every number in the evidence of an alert that is not resolved: too many rather than too few."""
    unresolved = sa.select(alerts.c.evidence).where(~_is_resolved())
    documents: Sequence[Any] = connection.execute(unresolved).scalars().all()
    return {number for evidence in documents for number in _numbers(evidence)}


def _is_resolved() -> sa.ColumnElement[bool]:
    return alerts.c.state == "resolved"


def _numbers(document: Any) -> Iterator[int]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _numbers(part)
    elif isinstance(document, int) or (isinstance(document, str) and document.isdecimal()):
        number = int(document)
        if number < 2**63:
            yield number


def _compact(settings: Settings) -> None:
    """Give free space back to the disk: PostgreSQL does so by itself, SQLite where enough of it is free."""
    engine = store.engine(settings)
    if engine.dialect.name != "sqlite":
        return
    with store.transaction(settings) as connection:
        is_worth_it = _pragma(connection, "freelist_count") > _MOST_FREE * _pragma(connection, "page_count")
    if is_worth_it:
        raw = engine.raw_connection()  # it is refused in a transaction
        with closing(raw), suppress(sqlite3.OperationalError):  # somebody reads or writes: another time
            raw.cursor().execute("vacuum")
            raw.cursor().execute("pragma wal_checkpoint(truncate)")


def _pragma(connection: sa.Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"pragma {name}").scalar_one())
