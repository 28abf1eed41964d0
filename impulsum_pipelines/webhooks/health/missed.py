"""Missed ranges: spans of time in which webhooks and pulls do not agree, kept open until a pull covers them.

*deliveries*: pulls found changes that no webhook reported. The changes are stored, so the range is closed once a
complete live pull began after it. *pulls*: webhooks reported changes of one day (UTC) that pulls should have shown and
did not. Only reading that day again can bring them; the range is closed when that is done, or when a pull has shown
them after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.ops.schema import missed_ranges, pulled_changes, syncs
from impulsum_pipelines.webhooks.health.matching import EventRow
from impulsum_pipelines.webhooks.health.pulled import PulledState

#: The longest time between missed deliveries of one range.
MAX_GAP = timedelta(hours=1)

#: After a day was read again, it is not read again for this long.
_NOT_AGAIN_FOR = timedelta(days=30)

_c = missed_ranges.c


def record_missed_deliveries(
    connection: sa.Connection, source: str, missed: Sequence[datetime], *, at: datetime
) -> None:
    """Add missed changes to the open ranges in or near which they are, and open new ranges for the others.

    Args:
        connection: the transaction.
        source: name of the source.
        missed: the times of the changes.
        at: now.
    """
    spans = [(row.from_at, row.to_at, row.id) for row in _open(connection, source, "deliveries")]
    for moment in sorted(missed):
        near = [span for span in spans if span[0] - MAX_GAP <= moment <= span[1] + MAX_GAP]
        if near:
            first, last, span_id = near[-1]
            spans.remove(near[-1])
            spans.append((min(first, moment), max(last, moment), span_id))
        else:
            spans.append((moment, moment, None))
    for first, last, span_id in spans:
        if span_id is None:
            _insert(connection, source, "deliveries", first, last, 0, at)
        else:
            _set(connection, span_id, from_at=first, to_at=last)


def close_covered_deliveries(connection: sa.Connection, source: str, pulled: PulledState, *, at: datetime) -> None:
    """Count the changes of the open ranges again, since webhooks may be late, and close the ranges that are covered."""
    c = pulled_changes.c
    for span in _open(connection, source, "deliveries"):
        within = c.source == source, c.outcome == "missed", c.changed_at.between(span.from_at, span.to_at)
        counted = connection.execute(sa.select(sa.func.count()).where(*within)).scalar_one()
        _set(connection, span.id, changes=counted)
        if not counted:
            _close(connection, span.id, "came late", None, "all its deliveries arrived late", at)
        elif pulled.watermark > span.to_at + MAX_GAP:
            note = f"pulled: a complete live pull read everything until {pulled.watermark:%Y-%m-%d %H:%M} UTC"
            _close(connection, span.id, "backfilled", pulled.sync_id, note, at)


def update_missed_pulls(
    connection: sa.Connection, source: str, overdue: Sequence[EventRow], pulled: PulledState, *, at: datetime
) -> None:
    """Open a range for each day with overdue events, and close the ranges that are covered.

    Args:
        connection: the transaction.
        source: name of the source.
        overdue: the events that pulls do not show, in order.
        pulled: what pulls found.
        at: now.
    """
    days = {day: list(group) for day, group in groupby(overdue, key=lambda event: _day(event.occurred_at))}
    known = sa.select(missed_ranges).where(
        _c.source == source, _c.what == "pulls", sa.or_(_c.status == "open", _c.covered_at >= at - _NOT_AGAIN_FOR)
    )
    spans = {_day(row.from_at): row for row in connection.execute(known.order_by(_c.id))}
    for day, group in days.items():
        first, last = group[0].occurred_at, group[-1].occurred_at
        if day not in spans:
            _insert(connection, source, "pulls", first, last, len(group), at)
        elif spans[day].status == "open":
            _set(connection, spans[day].id, from_at=first, to_at=last, changes=len(group))
    for day, span in spans.items():
        if span.status != "open":
            continue
        if reread := _reread(connection, span):
            _close(connection, span.id, "backfilled", reread, f"{day} was read again", at)
        elif day not in days:
            _close(connection, span.id, "backfilled", pulled.sync_id, "a pull has shown them after all", at)


def days_to_read_again(connection: sa.Connection, today: date) -> list[tuple[str, date]]:
    """Source and day of the open ranges of *pulls* whose day is over; today cannot be read again yet."""
    spans = sa.select(_c.source, _c.from_at).where(_c.what == "pulls", _c.status == "open").order_by(_c.source, _c.id)
    days = dict.fromkeys((row.source, _day(row.from_at)) for row in connection.execute(spans))
    return [(source, day) for source, day in days if day < today]


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _open(connection: sa.Connection, source: str, what: str) -> Sequence[Any]:
    spans = sa.select(missed_ranges).where(_c.source == source, _c.status == "open", _c.what == what)
    return connection.execute(spans.order_by(_c.from_at)).all()


def _insert(
    connection: sa.Connection, source: str, what: str, first: datetime, last: datetime, changes: int, at: datetime
) -> None:
    row = {"source": source, "what": what, "from_at": first, "to_at": last, "changes": changes, "found_at": at}
    connection.execute(sa.insert(missed_ranges).values(row | {"status": "open"}))


def _set(connection: sa.Connection, span_id: int, **values: Any) -> None:
    connection.execute(sa.update(missed_ranges).where(_c.id == span_id).values(**values))


def _close(connection: sa.Connection, span_id: int, status: str, sync_id: str | None, note: str, at: datetime) -> None:
    _set(connection, span_id, status=status, covered_by=sync_id, covered_at=at, note=note)


def _reread(connection: sa.Connection, span: Any) -> str | None:
    """The sync that read the range's day again after the range was found."""
    c = syncs.c
    covering = sa.select(c.sync_id).where(
        c.source == span.source,
        c.status == "done",
        c.started_at >= span.found_at,
        c.window_start <= span.from_at,
        c.window_end > span.to_at,
    )
    return connection.execute(covering.order_by(c.started_at).limit(1)).scalar()
