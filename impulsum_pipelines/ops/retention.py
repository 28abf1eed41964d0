"""Delete old rows of the ops store: events, syncs, pulled changes, missed ranges and resolved alerts.

What is not over is kept completely, however old it is: events in the evidence of an unresolved alert, all events of an
incident that has one of these, and all events of an incident that is still active. Rows are deleted in small
transactions, so that no webhook waits for the end, and so that a process that is killed has done a part of the work.
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

#: Share of a SQLite file that may be free before the file is rewritten.
_MOST_FREE = 0.25


@dataclass(frozen=True)
class PrunedStore:
    """What was deleted, and how large the store is.

    Args:
        rows: deleted rows by table; rows that depend on them are deleted too, and not counted.
        bytes_before: size of the database before, in bytes.
        bytes_after: size of the database after, in bytes.
    """

    rows: dict[str, int]
    bytes_before: int
    bytes_after: int


def prune_store(settings: Settings, before: datetime) -> PrunedStore:
    """Delete what is over and older than a cutoff.

    Args:
        settings: for the ops store.
        before: the cutoff, with a time zone.

    Raises:
        ImpulsumError: the ops store cannot be used.
    """
    bytes_before = store_size(settings)
    rows = {
        table.name: _in_pieces(settings, table, choose)
        for table, choose in (
            (alerts, lambda _: sa.select(alerts.c.id).where(alerts.c.resolved_at < before, _is_resolved())),
            (deliveries, lambda _: _orphaned_deliveries()),
            (events, lambda connection: _old_events(connection, before)),
            (incidents, lambda connection: _old_incidents(connection, before)),
            (syncs, lambda _: sa.select(syncs.c.sync_id).where(syncs.c.started_at < before)),
            (pulled_changes, lambda _: sa.select(pulled_changes.c.id).where(pulled_changes.c.changed_at < before)),
            (missed_ranges, lambda _: _old_ranges(before)),
        )
    }
    _compact(settings)
    return PrunedStore(rows, bytes_before, store_size(settings))


def store_size(settings: Settings) -> int:
    """Size of the store in bytes.

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


def _orphaned_deliveries() -> sa.Select[Any]:
    """Deliveries whose alerts are all deleted; a digest has several alerts."""
    left = sa.select(notifications.c.message_id)
    return sa.select(deliveries.c.id).where(deliveries.c.message_id.not_in(left))


def _old_events(connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    """Events to delete. An event that others repeat is deleted after them."""
    evidence = _events_in_evidence(connection)
    active = sa.select(incidents.c.id).where(incidents.c.last_at >= before)
    alerted = sa.select(events.c.incident_id).where(events.c.id.in_(evidence), events.c.incident_id.is_not(None))
    repeated = sa.select(events.c.duplicate_of).where(events.c.duplicate_of.is_not(None))
    return sa.select(events.c.id).where(
        events.c.committed_at < before,
        events.c.id.not_in(evidence),
        events.c.id.not_in(repeated),
        events.c.incident_id.is_(None) | (events.c.incident_id.not_in(active) & events.c.incident_id.not_in(alerted)),
    )


def _old_incidents(connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    """Incidents to delete: those that have no event left."""
    left = sa.select(events.c.incident_id).where(events.c.incident_id.is_not(None))
    return sa.select(incidents.c.id).where(incidents.c.last_at < before, incidents.c.id.not_in(left))


def _old_ranges(before: datetime) -> sa.Select[Any]:
    c = missed_ranges.c
    return sa.select(c.id).where(c.to_at < before, c.status != "open")


def _events_in_evidence(connection: sa.Connection) -> set[int]:
    """Every number in the evidence of an unresolved alert: rather too many than too few."""
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
    """Return free space to the disk: PostgreSQL does so itself, SQLite is rewritten when enough of it is free."""
    engine = store.engine(settings)
    if engine.dialect.name != "sqlite":
        return
    with store.transaction(settings) as connection:
        is_worth_it = _pragma(connection, "freelist_count") > _MOST_FREE * _pragma(connection, "page_count")
    if is_worth_it:
        raw = engine.raw_connection()  # SQLite refuses a vacuum in a transaction
        with closing(raw), suppress(sqlite3.OperationalError):  # another connection uses it: done the next time
            raw.cursor().execute("vacuum")
            raw.cursor().execute("pragma wal_checkpoint(truncate)")


def _pragma(connection: sa.Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"pragma {name}").scalar_one())
