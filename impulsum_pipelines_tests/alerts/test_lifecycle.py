"""The states of an alert, for any actions in any order, and with several processes at once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from impulsum_pipelines.alerts.channels import Channels
from impulsum_pipelines.alerts.lifecycle import (
    MOST_EVIDENCE,
    Problem,
    acknowledge,
    raise_alert,
    resolve,
    unresolved,
)
from impulsum_pipelines.alerts.priorities import PRIORITIES
from impulsum_pipelines.alerts.routes import route
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, notifications
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines_tests.alerts.actions import NOW, alert_of, history, outbox, raised, resolved

MINUTE = timedelta(minutes=1)


def test_raised_again_it_is_the_same_alert_and_nobody_is_notified_again(ops_settings: Settings) -> None:
    first = raised(ops_settings, NOW, evidence={"events": [1], "links": ["https://jira/ABC-1"]})
    again = raised(ops_settings, NOW + MINUTE, title="ABC-1\n is still\twrong", evidence={"events": [1, 2]})
    alert = alert_of(ops_settings, first)
    assert again == first
    assert (alert.occurrences, alert.last_seen_at, alert.opened_at) == (2, NOW + MINUTE, NOW)
    assert alert.evidence == {"events": [1, 2], "links": ["https://jira/ABC-1"]}
    assert alert.title == "ABC-1 is still wrong"
    assert outbox(ops_settings, first) == [("opened", "pending")]


def test_worse_notifies_needs_a_new_acknowledgement_and_replaces_what_was_not_sent(ops_settings: Settings) -> None:
    alert = raised(ops_settings, NOW, priority="P2")
    with transaction(ops_settings) as connection:
        assert acknowledge(connection, alert, by="ana", at=NOW)
    assert raised(ops_settings, NOW + MINUTE, priority="P0", title="worse") == alert
    assert raised(ops_settings, NOW + 2 * MINUTE, priority="P3", title="less urgent") == alert
    stored = alert_of(ops_settings, alert)
    assert (stored.priority, stored.state, stored.acknowledged_by, stored.title) == ("P0", "open", None, "worse")
    assert outbox(ops_settings, alert) == [("opened", "superseded"), ("worsened", "pending")]
    assert history(ops_settings, alert) == ["opened", "acknowledged", "worsened"]


def test_evidence_is_bounded_and_keeps_the_newest(ops_settings: Settings) -> None:
    alert = raised(ops_settings, NOW, evidence={"events": list(range(MOST_EVIDENCE))})
    raised(ops_settings, NOW, evidence={"events": [1000]})
    assert alert_of(ops_settings, alert).evidence["events"] == [*range(1, MOST_EVIDENCE), 1000]


def test_acknowledging_or_resolving_twice_changes_nothing(ops_settings: Settings) -> None:
    alert = raised(ops_settings, NOW)
    with transaction(ops_settings) as connection:
        assert acknowledge(connection, alert, by="ana", at=NOW, note="on it")
        assert not acknowledge(connection, alert, by="ben", at=NOW + MINUTE)
    assert alert_of(ops_settings, alert).acknowledged_by == "ana"
    assert resolved(ops_settings, alert, NOW)
    assert not resolved(ops_settings, alert, NOW + MINUTE)
    assert alert_of(ops_settings, alert).resolved_at == NOW


def test_an_impossible_change_raises_an_error_that_says_why(ops_settings: Settings) -> None:
    alert = raised(ops_settings, NOW)
    resolved(ops_settings, alert, NOW)
    with transaction(ops_settings) as connection:
        with pytest.raises(ImpulsumError, match=f"Alert {alert} is resolved") as over:
            acknowledge(connection, alert, by="ana", at=NOW)
        with pytest.raises(ImpulsumError, match="There is no alert 999999") as unknown:
            resolve(connection, 999_999, by="ana", at=NOW, settings=ops_settings)
        assert unresolved(connection, "jira:ABC-1") is None
    assert {over.value.category, unknown.value.category} == {Category.CONFIGURATION}
    with pytest.raises(ValueError, match="P7"):
        Problem("key", "event", "P7", "title")


def test_an_alert_and_the_rows_of_its_transaction_are_stored_together_or_not_at_all(ops_settings: Settings) -> None:
    with pytest.raises(RuntimeError), transaction(ops_settings) as connection:
        raise_alert(connection, Problem("key", "event", "P0", "title"), at=NOW, settings=ops_settings)
        raise RuntimeError
    with transaction(ops_settings) as connection:
        for table in (alerts, alert_changes, notifications):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0


def test_many_threads_that_raise_one_key_at_once_open_one_alert(ops_settings: Settings) -> None:
    keys = ["a", "b", "c"]
    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(lambda number: raised(ops_settings, NOW, key=keys[number % 3]), range(60)))
    assert len(set(ids)) == 3
    for alert in set(ids):
        assert alert_of(ops_settings, alert).occurrences == 20
        assert outbox(ops_settings, alert) == [("opened", "pending")]


def test_many_threads_that_raise_and_resolve_one_key_at_once_leave_at_most_one(ops_settings: Settings) -> None:
    def turn(number: int) -> int:
        alert = raised(ops_settings, NOW + number * 20 * MINUTE, key="a")
        if number % 2:
            resolved(ops_settings, alert, NOW + number * 20 * MINUTE)
        return alert

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(turn, range(60)))
    with transaction(ops_settings) as connection:
        found = connection.execute(sa.select(alerts.c.id, alerts.c.state, alerts.c.occurrences)).all()
    assert {alert.id for alert in found} == ids
    assert sum(alert.state != "resolved" for alert in found) <= 1
    assert sum(alert.occurrences for alert in found) == 60


class Story:
    """The alerts of one key, with a channel that accepts or refuses everything that is due."""

    def __init__(self, connection: sa.Connection, settings: Settings) -> None:
        self.connection, self.key, self.now = connection, uuid.uuid4().hex, NOW
        self.settings = settings.model_copy(update={"impulsum_alert_channels": (SecretStr("json://127.0.0.1"),)})
        self.sent: list[tuple[int, str]] = []
        self.raises = 0

    def do(self, step: tuple[str, Any, int]) -> None:
        verb, argument, minutes = step
        self.now += timedelta(minutes=minutes)
        getattr(self, verb)(argument)
        self.check()

    def raise_(self, priority: str) -> None:
        before = self.current()
        problem = Problem(self.key, "event", priority, "title")
        alert = raise_alert(self.connection, problem, at=self.now, settings=self.settings)
        self.raises += 1
        after = self.current()
        assert after.id == alert
        assert after.priority <= priority
        if before:
            assert after.id == before.id
            assert after.priority == min(before.priority, priority)

    def acknowledge(self, _: object) -> None:
        if alert := self.current():
            acknowledge(self.connection, alert.id, by="ana", at=self.now)
            assert self.current().state == "acknowledged"

    def resolve(self, person: bool) -> None:
        if alert := self.current():
            resolve(self.connection, alert.id, by="x", at=self.now, settings=self.settings, person=person)

    def deliver(self, taken: bool) -> None:
        """Send everything that is due; or try it, and the channel does not accept it."""
        route(self.connection, Channels.of(self.settings), now=self.now)
        mine = notifications.join(alerts).join(deliveries, deliveries.c.message_id == notifications.c.message_id)
        due = self.connection.execute(
            sa.select(alerts.c.id, alerts.c.state, notifications.c.what, deliveries.c.id.label("delivery"))
            .select_from(mine)
            .where(alerts.c.key == self.key, deliveries.c.status == "pending")
            .order_by(notifications.c.id)
        ).all()
        for row in due:
            values: dict[str, Any] = {"status": "sent"} if taken else {"attempts": 1}
            self.connection.execute(sa.update(deliveries).where(deliveries.c.id == row.delivery).values(**values))
            if taken:
                self.sent.append((row.id, row.what))
                if row.state == "open" and row.what != "resolved":
                    notified = sa.update(alerts).where(alerts.c.id == row.id)
                    self.connection.execute(notified.values(state="notified", notified_at=self.now))

    def current(self) -> Any:
        mine = sa.select(alerts).where(alerts.c.key == self.key, alerts.c.state != "resolved")
        return self.connection.execute(mine).one_or_none()  # never two

    def check(self) -> None:
        mine = self.connection.execute(sa.select(alerts).where(alerts.c.key == self.key)).all()
        assert sum(alert.occurrences for alert in mine) == self.raises
        for alert in mine:
            assert (alert.state == "resolved") == (alert.resolved_at is not None)
            assert (alert.state != "acknowledged") or alert.acknowledged_by
            versions: Any = self.connection.execute(
                sa.select(notifications.c.version).where(notifications.c.alert_id == alert.id).order_by("version")
            ).scalars()
            assert list(versions) == list(range(1, alert.version + 1))


STEPS = st.one_of(
    st.tuples(st.just("raise_"), st.sampled_from(PRIORITIES), st.integers(0, 90)),
    st.tuples(st.just("acknowledge"), st.none(), st.integers(0, 90)),
    st.tuples(st.just("resolve"), st.booleans(), st.integers(0, 90)),
    st.tuples(st.just("deliver"), st.booleans(), st.integers(0, 90)),
)


@given(steps=st.lists(STEPS, max_size=14))
@settings(max_examples=40)
def test_after_any_actions_the_last_message_reports_the_present_state(
    ops_settings: Settings, steps: list[tuple[str, Any, int]]
) -> None:
    with transaction(ops_settings) as connection, connection.begin_nested() as undone:
        story = Story(connection, ops_settings)
        for step in steps:
            story.do(step)
        story.do(("deliver", True, 4 * 24 * 60))
        for alert in connection.execute(sa.select(alerts).where(alerts.c.key == story.key)).all():
            received = [what for alert_id, what in story.sent if alert_id == alert.id]
            assert not received or received[0] != "resolved", "resolved, before anybody was notified"
            assert not any(pair == ("resolved", "resolved") for pair in pairwise(received))
            if alert.state == "resolved":
                assert not received or received[-1] == "resolved"
            elif alert.state != "acknowledged":
                assert received and received[-1] != "resolved"
        undone.rollback()


@pytest.mark.parametrize("every", [5, 16, 31])
def test_a_signal_that_flaps_for_half_a_day_is_sent_a_few_times(ops_settings: Settings, every: int) -> None:
    with transaction(ops_settings) as connection, connection.begin_nested() as undone:
        story = Story(connection, ops_settings)
        for _ in range(12 * 60 // (2 * every)):
            story.do(("raise_", "P1", 0))
            story.do(("deliver", True, 1))
            story.do(("resolve", False, every))
            story.do(("deliver", True, every - 1))
        assert len(story.sent) <= 10
        undone.rollback()


def test_back_before_resolved_was_sent_notifies_nobody(ops_settings: Settings) -> None:
    with transaction(ops_settings) as connection:
        story = Story(connection, ops_settings)
        for step in (("raise_", "P0", 0), ("deliver", True, 0), ("acknowledge", None, 1)):
            story.do(step)
        for step in (("resolve", False, 1), ("deliver", True, 14), ("raise_", "P0", 0), ("deliver", True, 60)):
            story.do(step)
        assert [what for _, what in story.sent] == ["opened"]
        assert story.current().state == "acknowledged"


def test_what_a_person_resolved_notifies_when_it_is_back(ops_settings: Settings) -> None:
    with transaction(ops_settings) as connection:
        story = Story(connection, ops_settings)
        for step in (("raise_", "P0", 0), ("deliver", True, 0), ("acknowledge", None, 1)):
            story.do(step)
        for step in (("resolve", True, 1), ("deliver", True, 0), ("raise_", "P0", 5), ("deliver", True, 0)):
            story.do(step)
        assert [what for _, what in story.sent] == ["opened", "resolved", "reopened"]
        assert story.current().state == "notified"
        story.do(("resolve", True, 1))
        first: datetime = story.now
        story.do(("raise_", "P0", 24 * 60))
        assert story.current().opened_at > first, "a day later it is another alert"
