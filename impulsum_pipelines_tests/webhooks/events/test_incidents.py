"""Each event is stored once, duplicates are marked, and the same events form the same incidents in any order."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from impulsum_pipelines.ops.schema import events, incident_subjects, incidents
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.incidents import SPAN, binding_subjects
from impulsum_pipelines.webhooks.events.journal import REPEATED_WITHIN, Arrival, record_events
from impulsum_pipelines.webhooks.events.triage import Classification
from impulsum_pipelines_tests.webhooks.sample_events import event, github, issue, message, pull

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def made(key: str, subjects: str, at: datetime, *, title: str | None = None, content: str = "") -> Event:
    return Event("jira", key, "t", at, at, tuple(subjects.split()), title, None, None, {}, content or key)


def keep(connection: sa.Connection, event: Event, priority: Any = "P3") -> int | None:
    """Store an event as the inbox does; returns its id."""
    arrival = Arrival(event, Classification(priority, "r", "w"), file="f.json", headers={"x": "y"}, signature="valid")
    recorded: Any
    [recorded] = record_events(connection, [arrival], committed_at=START)
    return recorded and recorded.event


def grouped(connection: sa.Connection) -> set[tuple[Any, ...]]:
    """All incidents, without their ids: events, subjects, times, priority, title."""
    found = set()
    for incident in connection.execute(sa.select(incidents)):
        keys: Any = connection.execute(sa.select(events.c.key).where(events.c.incident_id == incident.id)).scalars()
        of_it = incident_subjects.c.incident_id == incident.id
        subjects: Any = connection.execute(sa.select(incident_subjects.c.subject).where(of_it)).scalars()
        times = (incident.first_at, incident.last_at)
        found.add((frozenset(keys), frozenset(subjects), times, incident.priority, incident.title))
    return found


def members(connection: sa.Connection) -> set[frozenset[str]]:
    return {group[0] for group in grouped(connection)}


def row(connection: sa.Connection, identity: int | None) -> Any:
    return connection.execute(sa.select(events).where(events.c.id == identity)).one()


def test_an_event_is_stored_once(connection: sa.Connection) -> None:
    first = event("jira", issue(), delivery="d-1")
    identity = keep(connection, first, "P1")
    assert keep(connection, event("jira", issue("ABC-2"), delivery="d-1")) is None
    stored = connection.execute(sa.select(events)).one()
    assert (stored.id, stored.source, stored.key, stored.priority, stored.rule) == (identity, "jira", "d-1", "P1", "r")
    assert stored.subjects == ["issue:ABC-1", "issue-id:10001"]
    assert stored.occurred_at == first.occurred_at
    assert (stored.headers, stored.body, stored.signature) == ({"x": "y"}, first.body, "valid")


def test_the_same_id_from_another_source_is_another_event(connection: sa.Connection) -> None:
    assert keep(connection, event("jira", issue(), delivery="1")) != keep(
        connection, event("tempo", {}, delivery="1")
    )  # fmt: skip
    assert connection.execute(sa.select(sa.func.count()).select_from(events)).scalar_one() == 2


def test_an_issue_its_pull_request_and_its_thread_are_one_incident(connection: sa.Connection) -> None:
    reported = keep(connection, event("jira", issue("ABC-7")), "P1")
    talk = keep(connection, event("slack", message("production is down, ABC-7")), "P0")
    fix = keep(connection, github("pull_request", action="opened", pull_request=pull(branch="abc-7-fix")))
    review = keep(
        connection,
        github("pull_request_review", action="submitted", pull_request=pull(branch="abc-7-fix"), review={"state": "x"}),
    )
    reply = keep(connection, event("slack", message("on it", ts="1793620600.1", thread_ts="1793620500.000100")))
    other = keep(connection, event("slack", message("lunch?", ts="1793620700.000100")))
    placed = {row(connection, identity).incident_id for identity in (reported, talk, fix, review, reply)}
    assert len(placed) == 1
    assert row(connection, other).incident_id not in placed
    incident = connection.execute(sa.select(incidents).where(incidents.c.id == placed.pop())).one()
    assert incident.priority == "P0"
    assert incident.title == "ABC-7: The checkout"


def test_a_wide_subject_groups_nothing(connection: sa.Connection) -> None:
    for number in (1, 2, 3):
        keep(connection, made(f"k{number}", f"issue:ABC-{number} sprint:7 repository:acme/shop channel:C1", START))
    assert len(members(connection)) == 3


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        ("thread:C1:1 channel:C1 issue:A-1 issue:A-2", ("issue:A-1", "thread:C1:1")),
        ("issue:A-1 issue-id:7 issue:A-2", ("issue:A-1", "issue-id:7")),
        ("branch:a/b@main repository:a/b", ("branch:a/b@main",)),
        ("sprint:7 board:3", ("sprint:7",)),
        ("", ()),
    ],
)
def test_the_nearest_subject_of_each_kind_groups_events(subjects: str, expected: tuple[str, ...]) -> None:
    assert binding_subjects(subjects.split()) == expected


def test_an_event_without_subjects_has_its_own_incident(connection: sa.Connection) -> None:
    keep(connection, made("a", "", START))
    keep(connection, made("b", "", START))
    assert members(connection) == {frozenset("a"), frozenset("b")}


def test_noise_opens_no_incident_and_joins_none(connection: sa.Connection) -> None:
    keep(connection, made("a", "issue:A-1", START), "P2")
    noise = keep(connection, made("b", "issue:A-1", START), "noise")
    assert row(connection, noise).incident_id is None
    assert members(connection) == {frozenset("a")}


@pytest.mark.parametrize(("apart", "together"), [(SPAN, True), (SPAN + timedelta(seconds=1), False)])
def test_events_far_apart_are_two_incidents(
    connection: sa.Connection, apart: timedelta, together: bool
) -> None:  # fmt: skip
    keep(connection, made("a", "issue:A-1", START))
    keep(connection, made("b", "issue:A-1", START + apart))
    assert len(members(connection)) == (1 if together else 2)


def test_a_late_event_between_two_incidents_merges_them(connection: sa.Connection) -> None:
    first = keep(connection, made("a", "issue:A-1", START, title="began"), "P2")
    keep(connection, made("c", "issue:A-1", START + 20 * HOUR, title="later"), "P1")
    assert len(members(connection)) == 2
    late = keep(connection, made("b", "issue:A-1", START + 10 * HOUR))
    assert row(connection, late).incident_id == row(connection, first).incident_id
    span = (START, START + 20 * HOUR)
    assert grouped(connection) == {(frozenset("abc"), frozenset({"issue:A-1"}), span, "P1", "began")}


@pytest.mark.parametrize(
    ("later", "content", "is_duplicate"),
    [
        (timedelta(0), "x", True),
        (REPEATED_WITHIN, "x", True),
        (-REPEATED_WITHIN, "x", True),
        (REPEATED_WITHIN + timedelta(seconds=1), "x", False),
        (timedelta(0), "y", False),
    ],
)
def test_the_same_content_soon_after_is_a_duplicate(
    connection: sa.Connection, later: timedelta, content: str, is_duplicate: bool
) -> None:
    first = keep(connection, made("a", "issue:A-1", START, content="x"))
    again = keep(connection, made("b", "issue:A-1", START + later, content=content))
    third = keep(connection, made("c", "issue:A-1", START + later, content=content))
    assert row(connection, first).duplicate_of is None
    assert row(connection, again).duplicate_of == (first if is_duplicate else None)
    assert row(connection, third).duplicate_of == (first if is_duplicate else again)
    assert row(connection, again).incident_id == row(connection, first).incident_id


def test_two_hooks_on_one_repository_send_duplicates(connection: sa.Connection) -> None:
    body = {"action": "opened", "pull_request": pull(), "repository": {"full_name": "acme/shop"}}
    of_repository = event("github", body, {"X-GitHub-Event": "pull_request", "X-GitHub-Delivery": "1"})
    of_owner = event(
        "github",
        {**body, "organization": {"login": "acme"}},
        {"X-GitHub-Event": "pull_request", "X-GitHub-Delivery": "2"},
    )
    first = keep(connection, of_repository)
    assert row(connection, keep(connection, of_owner)).duplicate_of == first


#: More than half of a span: neighbours are near enough, the next but one are not.
_STEP = SPAN * 0.7
_events = st.lists(
    st.builds(
        lambda subjects, step, priority: (" ".join(sorted(subjects)), step, priority),
        st.sets(st.sampled_from(["issue:A-1", "issue:A-2", "pull:a/b#1", "pull:a/b#2", "thread:C1:1"]), max_size=3),
        st.integers(0, 12),
        st.sampled_from(["P0", "P1", "P2", "P3", "noise"]),
    ),
    min_size=1,
    max_size=8,
)


def kept(connection: sa.Connection, arrivals: list[tuple[Event, str]]) -> set[tuple[Any, ...]]:
    """The incidents of these events, in a store with nothing else."""
    for table in (incident_subjects, events, incidents):
        connection.execute(sa.delete(table))
    for arrival, priority in arrivals:
        keep(connection, arrival, priority)
    loose = sa.select(sa.func.count()).where(events.c.priority != "noise", events.c.incident_id.is_(None))
    assert connection.execute(loose).scalar_one() == 0
    return grouped(connection)


@settings(max_examples=40)
@given(_events, st.randoms(use_true_random=False))
def test_any_order_of_arrival_makes_the_same_incidents(
    connection: sa.Connection, drawn: list[tuple[str, int, str]], random: Any
) -> None:
    arrivals = [
        (made(f"k{number}", subjects, START + step * _STEP, title=f"t{number}"), priority)
        for number, (subjects, step, priority) in enumerate(drawn)
    ]
    in_order = kept(connection, arrivals)
    for _ in range(2):
        random.shuffle(arrivals)
        assert kept(connection, arrivals) == in_order


@pytest.mark.parametrize(
    "chain",
    [
        [("issue:A-1", 0), ("issue:A-1 pull:a/b#1", 1), ("pull:a/b#1 thread:C1:1", 2), ("thread:C1:1", 3)],
        # The fourth event is too far from the second, but not from the incident that the second joins.
        [("issue:A-1", 0), ("issue:A-1 pull:a/b#1", 1), ("pull:a/b#1", 2), ("issue:A-1", 3)],
    ],
)
def test_a_chain_is_one_incident_in_each_of_its_orders(connection: sa.Connection, chain: list[tuple[str, int]]) -> None:
    arrivals = [(made(f"k{step}", subjects, START + step * _STEP), "P2") for subjects, step in chain]
    for order in permutations(arrivals):
        assert [group[0] for group in kept(connection, list(order))] == [{"k0", "k1", "k2", "k3"}]


def test_concurrent_writers_store_each_event_once(ops_settings: Settings) -> None:
    arrivals = [made(f"k{number}", f"issue:A-{number % 5}", START) for number in range(40)]
    written: list[int | None] = []

    def work() -> None:
        for arrival in arrivals:
            with transaction(ops_settings) as connection:
                written.append(keep(connection, arrival))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(identity is not None for identity in written) == len(arrivals)
    with transaction(ops_settings) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(events)).scalar_one() == 40
        assert connection.execute(sa.select(sa.func.count()).select_from(incidents)).scalar_one() == 5
