"""Which old rows are deleted from the ops store, and which are kept however old they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from impulsum_pipelines.ops import retention, store
from impulsum_pipelines.ops.retention import prune_store
from impulsum_pipelines.ops.schema import (
    alert_changes,
    alerts,
    deliveries,
    events,
    incident_subjects,
    incidents,
    metadata,
    missed_ranges,
    notifications,
    pulled_changes,
    sync_scopes,
    syncs,
    webhook_health,
)
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines_tests.conftest import on_sqlite

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
LIMIT = NOW - timedelta(days=400)
OLD, YOUNG = LIMIT - timedelta(days=1), LIMIT + timedelta(days=1)
NUMBERS = count(1)


class Rows:
    """Writes rows, with defaults for what a test does not care about, and reports which are left."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def add(self, table: sa.Table, **values: Any) -> Any:
        with store.transaction(self.settings) as connection:
            key = connection.execute(table.insert().values(**values)).inserted_primary_key
        assert key is not None
        return key[0]

    def event(self, at: datetime, **values: Any) -> int:
        times = dict.fromkeys(("occurred_at", "received_at", "committed_at"), at)
        fixed = {"source": "jira", "key": str(next(NUMBERS)), "type": "t", "signature": "valid", "priority": "P1"}
        return self.add(events, **times, **fixed, subjects=[], file="f", headers={}, body="{}", **values)

    def incident(self, last_at: datetime) -> int:
        made = self.add(incidents, priority="P1", title="t", first_at=OLD, last_at=last_at)
        self.add(incident_subjects, incident_id=made, subject=f"issue:{made}")
        return made

    def alert(self, *, resolved_at: datetime | None = None, evidence: Any = None) -> int:
        state = "resolved" if resolved_at else "open"
        fixed = {"kind": "event", "priority": "P1", "title": "t", "detail": "d", "version": 1, "occurrences": 1}
        made = self.add(
            alerts,
            key=str(next(NUMBERS)),
            **fixed,
            state=state,
            evidence=evidence or {},
            opened_at=OLD,
            last_seen_at=OLD,
            resolved_at=resolved_at,
        )
        self.add(alert_changes, alert_id=made, at=OLD, change="opened", by="test")
        self.add(
            notifications,
            alert_id=made,
            version=1,
            what="opened",
            message_id=str(made),
            due_at=OLD,
            digest=False,
            status="addressed",
        )
        self.add(
            deliveries,
            message_id=str(made),
            channel="mailto",
            status="sent",
            attempts=1,
            addressed_at=OLD,
            due_at=OLD,
        )
        return made

    def sync(self, at: datetime, status: str = "done") -> str:
        made = self.add(
            syncs,
            sync_id=str(next(NUMBERS)),
            source="jira",
            started_by="shell",
            mode="live",
            census=False,
            started_at=at,
            status=status,
        )
        self.add(sync_scopes, sync_id=made, scope="1", rows={})
        return str(made)

    def change(self, at: datetime) -> int:
        fixed = {"source": "jira", "name": "ABC-1", "part": "issue-id:ABC", "sync_id": "1", "outcome": "told"}
        return self.add(pulled_changes, **fixed, subject=str(next(NUMBERS)), changed_at=at, day=at.date())

    def missed(self, at: datetime, status: str = "backfilled") -> int:
        fixed = {"source": "jira", "what": "deliveries", "changes": 1, "found_at": at}
        return self.add(missed_ranges, **fixed, from_at=at, to_at=at, status=status)

    def left(self, table: sa.Table) -> set[Any]:
        key = next(iter(table.primary_key.columns))
        with store.transaction(self.settings) as connection:
            return set(connection.execute(sa.select(key)).scalars())


@pytest.fixture
def rows(ops_settings: Settings) -> Rows:
    return Rows(ops_settings)


def test_what_is_over_is_deleted_by_age(rows: Rows) -> None:
    for written in (rows.event, rows.sync, rows.change, rows.missed):
        written(OLD)
    rows.alert(resolved_at=OLD)
    event, sync, alert = rows.event(YOUNG), rows.sync(YOUNG), rows.alert(resolved_at=YOUNG)
    change, ranges = rows.change(YOUNG), {rows.missed(YOUNG), rows.missed(OLD, "open")}
    pruned = prune_store(rows.settings, LIMIT)
    deleted = dict.fromkeys(("alerts", "deliveries", "events", "syncs", "pulled_changes", "missed_ranges"), 1)
    assert pruned.rows == deleted | {"incidents": 0}
    assert pruned.bytes_before > 0
    assert rows.left(events) == {event}
    assert rows.left(syncs) == rows.left(sync_scopes) == {sync}
    assert rows.left(alerts) == {alert}
    assert (rows.left(pulled_changes), rows.left(missed_ranges)) == ({change}, ranges)
    with store.transaction(rows.settings) as connection:
        for table in (alert_changes, notifications):
            assert connection.execute(sa.select(table.c.alert_id)).scalars().all() == [alert]
    assert prune_store(rows.settings, LIMIT).rows == dict.fromkeys(pruned.rows, 0)


@pytest.mark.parametrize("named", ["number", "text"])
def test_evidence_of_an_unresolved_alert_is_kept_with_its_whole_incident(rows: Rows, named: str) -> None:
    incident = rows.incident(OLD)
    evidence, beside = rows.event(OLD, incident_id=incident), rows.event(OLD, incident_id=incident)
    lonely = rows.event(OLD)
    other = rows.incident(OLD)
    rows.event(OLD, incident_id=other)
    names: list[Any] = [evidence, lonely] if named == "number" else [str(evidence), str(lonely)]
    alert = rows.alert(evidence={"events": names, "links": ["https://acme.invalid/1"]})
    prune_store(rows.settings, LIMIT)
    assert rows.left(events) == {evidence, beside, lonely}
    assert rows.left(incidents) == rows.left(incident_subjects) == {incident}
    assert rows.left(alerts) == {alert}


def test_an_active_incident_is_kept_completely(rows: Rows) -> None:
    active, over = rows.incident(YOUNG), rows.incident(OLD)
    first = rows.event(OLD, incident_id=active)
    rows.event(OLD, incident_id=over)
    prune_store(rows.settings, LIMIT)
    assert rows.left(events) == {first}
    assert rows.left(incidents) == {active}


def test_an_event_stays_as_long_as_one_that_repeats_it(rows: Rows) -> None:
    original, lost = rows.event(OLD), rows.event(OLD)
    repeat = rows.event(YOUNG, duplicate_of=original)
    rows.event(OLD, duplicate_of=lost)
    prune_store(rows.settings, LIMIT)
    assert rows.left(events) == {original, repeat}


def test_many_rows_are_deleted_in_pieces(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_PIECE", 3)
    first = rows.event(OLD)
    for _ in range(7):
        rows.event(OLD, duplicate_of=first)
    assert prune_store(rows.settings, LIMIT).rows["events"] == 8
    assert rows.left(events) == set()


@on_sqlite
def test_a_sqlite_file_returns_its_space() -> None:
    """PostgreSQL does so itself."""
    rows = Rows(load_settings())
    for _ in range(20):
        rows.add(syncs, sync_id=str(next(NUMBERS)), source="jira", started_by="x" * 100_000, mode="live",
                 census=False, started_at=OLD, status="done")  # fmt: skip
    pruned = prune_store(rows.settings, LIMIT)
    assert pruned.bytes_before > 2_000_000
    assert pruned.bytes_after < 300_000
    assert rows.sync(YOUNG) in rows.left(syncs)


documents = st.recursive(
    st.integers(1, 9) | st.text(max_size=9) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@given(documents, st.integers(10, 2**62))
def test_a_number_is_found_anywhere_in_evidence(document: Any, number: int) -> None:
    assert number in set(retention._numbers([document, {"events": [[number]], "more": document}]))


def test_every_table_is_pruned_or_cannot_grow() -> None:
    """A new table must be pruned too, or depend on a pruned table, or have one row per source."""
    pruned = {alerts, deliveries, events, incidents, missed_ranges, pulled_changes, syncs}
    one_row_per_source = {webhook_health}
    dependent = {
        table
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.ondelete == "CASCADE" and key.column.table in pruned
    }
    assert set(metadata.tables.values()) == pruned | dependent | one_row_per_source
