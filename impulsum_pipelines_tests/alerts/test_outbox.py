"""Every message arrives on every channel, once, also when processes die, fail or compete."""

from __future__ import annotations

import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from impulsum_pipelines.alerts import outbox as delivery
from impulsum_pipelines.alerts.channels import Channels
from impulsum_pipelines.alerts.lifecycle import Problem, acknowledge, raise_alert
from impulsum_pipelines.alerts.merging import merge_alerts
from impulsum_pipelines.alerts.outbox import CLAIM, GIVEN_UP_AFTER, LONGEST_PAUSE, Delivered, deliver
from impulsum_pipelines.alerts.routes import MOST_AT_ONCE
from impulsum_pipelines.ops.schema import metadata
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines_tests.alerts import victims
from impulsum_pipelines_tests.alerts.actions import (
    NOW,
    alert_of,
    deliveries_of,
    escalated,
    history,
    outbox,
    raised,
    resolved,
    with_channels,
)
from impulsum_pipelines_tests.alerts.sinks import PASSWORD, Mails, Webhook, refused
from impulsum_pipelines_tests.conftest import on_postgresql

MINUTE = timedelta(minutes=1)


def test_every_channel_receives_it_once_with_one_id(ops_settings: Settings, mails: Mails, webhook: Webhook) -> None:
    there = with_channels(ops_settings, mails.address, webhook.address)
    alert = raised(there, NOW, title="Production\nis down", detail="Look at ABC-1", evidence={"links": ["https://j/1"]})
    assert deliver(there, now=NOW) == Delivered(sent=2)
    assert deliver(there, now=NOW + 60 * MINUTE) == Delivered()
    assert mails.ids == webhook.ids and len(mails.ids) == 1
    assert mails.titles == webhook.titles == ["[P0] Production is down"]
    text = webhook.taken[0]["message"]
    assert "Look at ABC-1\nhttps://j/1" in text and f"impulsum alerts ack {alert}" in text and mails.ids[0][:8] in text
    assert webhook.taken[0]["type"] == "failure"
    stored = alert_of(there, alert)
    assert stored.state == "notified" and stored.notified_at >= NOW
    assert history(there, alert) == ["opened", "told", "told"]


def test_a_channel_that_fails_is_tried_again_alone_until_it_accepts_it(
    ops_settings: Settings, mails: Mails, webhook: Webhook
) -> None:
    webhook.status = 500
    there = with_channels(ops_settings, mails.address, webhook.address)
    raised(there, NOW)
    now = NOW
    assert deliver(there, now=now) == Delivered(sent=1, failed=1)
    pauses = []
    for _ in range(9):
        (row,) = deliveries_of(there)[webhook.name]
        assert row.status == "pending" and "error=500" in row.error
        pauses.append(round((row.due_at - now).total_seconds()))
        assert deliver(there, now=row.due_at - timedelta(seconds=1)) == Delivered()
        now = row.due_at
        assert deliver(there, now=now) == Delivered(failed=1)
    # Counted from the end of an attempt, which takes time itself.
    assert 10 <= pauses[0] < 20 < pauses[2] < pauses[5] and 0 <= pauses[-1] - LONGEST_PAUSE.total_seconds() < 10
    webhook.status = 200
    assert deliver(there, now=now + LONGEST_PAUSE * 2) == Delivered(sent=1)
    assert (len(mails.ids), len(webhook.ids)) == (1, 1)


def test_a_mail_server_that_refuses_says_why(ops_settings: Settings, mails: Mails) -> None:
    mails.answer = "451 try later"
    there = with_channels(ops_settings, mails.address)
    raised(there, NOW)
    assert deliver(there, now=NOW) == Delivered(failed=1)
    assert "451" in deliveries_of(there)[mails.name][0].error
    mails.answer = "250 taken"
    assert deliver(there, now=NOW + MINUTE) == Delivered(sent=1)


def test_given_up_after_days_with_a_warning(ops_settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    there = with_channels(ops_settings, refused())
    raised(there, NOW)
    deliver(there, now=NOW)
    assert deliver(there, now=NOW + GIVEN_UP_AFTER + MINUTE) == Delivered(failed=1)
    assert [row.status for row in deliveries_of(there)["json://127.0.0.1"]] == ["failed"]
    assert "given up" in caplog.text
    assert deliver(there, now=NOW + 2 * GIVEN_UP_AFTER) == Delivered()


@pytest.mark.parametrize("channel", ["mails", "webhook"])
@pytest.mark.parametrize("point", [*victims.KNOWN, *victims.UNKNOWN])
def test_killed_at_any_point_it_arrives_and_a_repeat_has_the_same_id(
    ops_settings: Settings, request: pytest.FixtureRequest, channel: str, point: str
) -> None:
    sink: Mails | Webhook = request.getfixturevalue(channel)
    there = with_channels(ops_settings, sink.address)
    alert = raised(there, NOW)
    victims.kill(point, there, NOW)
    if point not in ("routed, not committed", "claimed, not committed"):
        assert deliver(there, now=NOW + CLAIM / 2) == Delivered(), "the process may be alive"
    deliver(there, now=NOW + 2 * CLAIM)
    deliver(there, now=NOW + 4 * CLAIM)
    assert len(set(sink.ids)) == 1, "as a receiver counts that drops repeats"
    assert len(sink.ids) == (2 if point in victims.UNKNOWN else 1)
    assert alert_of(there, alert).state == "notified"
    assert history(there, alert) == ["opened", "told"]


def test_killed_before_the_commit_nothing_is_raised(ops_settings: Settings, webhook: Webhook) -> None:
    there = with_channels(ops_settings, webhook.address)
    victims.kill_while_raising(there, NOW)
    assert deliver(there, now=NOW) == Delivered()
    assert webhook.ids == []


def test_processes_that_deliver_at_once_send_each_message_once(
    ops_settings: Settings, mails: Mails, webhook: Webhook
) -> None:
    there = with_channels(ops_settings, mails.address, webhook.address)
    for number in range(12):
        raised(there, NOW, key=f"{number:02}")
    assert victims.deliver_at_once(3, there, NOW) == 24
    for sink in (mails, webhook):
        assert set(Counter(sink.ids).values()) == {1}
        assert len(sink.ids) == 12


@on_postgresql
def test_a_sent_message_is_recorded_even_when_others_lock_its_alerts_in_another_order(webhook: Webhook) -> None:
    """Two transactions that wait for each other are a deadlock: PostgreSQL ends the one that waited first."""
    there = with_channels(load_settings(), webhook.address)
    keys = [f"{number:02}" for number in range(MOST_AT_ONCE + 1)]  # so many are sent in one digest
    for key in keys:
        raised(there, NOW, key=key, priority="P1")
    with ThreadPoolExecutor(1) as pool:
        with transaction(there) as connection:
            again = [Problem(key, "event", "P1", "again") for key in (keys[-1], keys[0])]
            raise_alert(connection, again[0], at=NOW, settings=there)
            delivered = pool.submit(deliver, there, now=NOW)
            until_somebody_waits(connection)
            raise_alert(connection, again[1], at=NOW, settings=there)
        assert delivered.result() == Delivered(sent=1)
    assert deliver(there, now=NOW + 2 * CLAIM) == Delivered()
    assert len(webhook.ids) == 1


def until_somebody_waits(connection: sa.Connection) -> None:
    """Return when a transaction waits for a lock that another holds."""
    deadline = time.monotonic() + 20
    while not connection.execute(sa.text("select exists (select from pg_locks where not granted)")).scalar_one():
        assert time.monotonic() < deadline, "no transaction waits"
        time.sleep(0.01)


def test_a_process_that_sends_for_a_long_time_keeps_its_claim(
    ops_settings: Settings, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = with_channels(ops_settings, webhook.address)
    raised(there, NOW)
    monkeypatch.setattr(delivery, "CLAIM", timedelta(seconds=0.3))
    rivals: list[Delivered] = []

    def slow(*_: object) -> None:
        with transaction(there) as connection:
            before: Any = connection.execute(sa.text("select claimed_until from deliveries")).scalar_one()
        while len(rivals) < 8:
            time.sleep(0.1)
            rivals.append(deliver(there, now=NOW + timedelta(seconds=0.1 * (len(rivals) + 1))))
        with transaction(there) as connection:
            assert connection.execute(sa.text("select claimed_until from deliveries")).scalar_one() > before

    monkeypatch.setattr(delivery.Sender, "send", slow)
    assert deliver(there, now=NOW) == Delivered(sent=1)
    assert rivals == [Delivered()] * 8


def test_the_most_urgent_is_sent_first_and_a_p0_is_never_in_a_digest(ops_settings: Settings, webhook: Webhook) -> None:
    there = with_channels(ops_settings, webhook.address)
    for number in range(11):
        raised(there, NOW, key=f"risk {number}", priority="P2" if number % 2 else "P1")
    raised(there, NOW, key="down", priority="P0", title="Down")
    assert deliver(there, now=NOW) == Delivered(sent=2)
    assert webhook.titles == ["[P0] Down", "11 alerts: 6 P1, 5 P2"]
    assert len(set(webhook.ids)) == 2
    assert all(f"risk {number} is wrong" in webhook.taken[1]["message"] for number in range(11))


def test_resolved_before_anybody_could_be_notified_nothing_is_sent(ops_settings: Settings, webhook: Webhook) -> None:
    there = with_channels(ops_settings, webhook.address)
    alert = raised(there, NOW)
    resolved(there, alert, NOW + MINUTE)
    assert deliver(there, now=NOW + 60 * MINUTE) == Delivered()
    assert outbox(there, alert) == [("opened", "superseded")]
    assert history(there, alert) == ["opened", "resolved"]


def test_resolved_is_not_sent_before_what_may_have_arrived(ops_settings: Settings, webhook: Webhook) -> None:
    webhook.status = 503
    there = with_channels(ops_settings, webhook.address)
    alert = raised(there, NOW)
    deliver(there, now=NOW)
    resolved(there, alert, NOW + timedelta(seconds=1), person=True)
    webhook.status = 200
    assert deliver(there, now=NOW + timedelta(seconds=2)) == Delivered(), "the first waits for its next attempt"
    assert deliver(there, now=NOW + MINUTE) == Delivered(sent=2)
    assert webhook.titles == ["[P0] Resolved: jira:ABC-1 is wrong"] * 2
    assert len(set(webhook.ids)) == 2


def test_without_a_channel_alerts_wait_for_one_and_one_warning_says_so(
    ops_settings: Settings, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    delivery._warn_once.cache_clear()
    raised(ops_settings, NOW)
    assert [deliver(ops_settings, now=NOW), deliver(ops_settings, now=NOW)] == [Delivered()] * 2
    assert caplog.text.count("No channel is configured") == 1
    assert deliver(with_channels(ops_settings, webhook.address), now=NOW + MINUTE) == Delivered(sent=1)


def test_what_a_removed_channel_did_not_accept_goes_to_another(
    ops_settings: Settings, mails: Mails, webhook: Webhook
) -> None:
    webhook.status = 500
    raised(ops_settings, NOW)
    assert deliver(with_channels(ops_settings, webhook.address), now=NOW) == Delivered(failed=1)
    instead = with_channels(ops_settings, mails.address)
    assert deliver(instead, now=NOW + timedelta(seconds=1)) == Delivered(sent=1)
    assert deliver(instead, now=NOW + 60 * MINUTE) == Delivered()


def test_escalation_channels_receive_the_escalation_and_the_end(
    ops_settings: Settings, mails: Mails, webhook: Webhook
) -> None:
    there = with_channels(ops_settings, mails.address, impulsum_escalation_channels=(SecretStr(webhook.address),))
    alert = raised(there, NOW)
    deliver(there, now=NOW)
    assert webhook.titles == []
    assert escalated(there, NOW + 30 * MINUTE) == 1
    deliver(there, now=NOW + 30 * MINUTE)
    assert (len(mails.titles), webhook.titles) == (1, ["[P0] Still not acknowledged: jira:ABC-1 is wrong"])
    with transaction(there) as connection:
        acknowledge(connection, alert, by="ana", at=NOW + 31 * MINUTE)
    resolved(there, alert, NOW + 40 * MINUTE)
    deliver(there, now=NOW + 60 * MINUTE)
    assert mails.titles[-1] == webhook.titles[-1] == "[P0] Resolved: jira:ABC-1 is wrong"


def test_secrets_of_addresses_appear_nowhere(
    ops_settings: Settings, webhook: Webhook, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    slack = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
    strange = "mailto://ana:pa/ss.w0rd#x@mail.example.com"
    there = with_channels(
        ops_settings, webhook.address, refused(), "nonsense://t0ken-of-it/x", strange, impulsum_quiet_hours="none"
    )
    names = set(Channels.of(with_channels(ops_settings, webhook.address, slack, strange)).every)
    assert names == {"json://127.0.0.1", "slack", "mailto"}
    raised(there, NOW)
    assert deliver(there, now=NOW).sent == 1
    webhook.status = 403
    raised(there, NOW, key="other")
    deliver(there, now=NOW + MINUTE)
    with transaction(there) as connection:
        stored = [str(row) for table in metadata.sorted_tables for row in connection.execute(sa.select(table)).all()]
    seen = "\n".join([caplog.text, *stored, repr(there), str(there)])
    assert "403" in seen and "Connection error" in seen and "does not know" in seen
    for secret in (PASSWORD, "s3cret-path", "t0ken-of-it", "ss.w0rd", "pa/ss"):
        assert secret not in seen


def test_an_address_of_several_recipients_is_refused(ops_settings: Settings, mails: Mails) -> None:
    there = with_channels(ops_settings, mails.address.replace("to=", "to=ben@example.com,"))
    raised(there, NOW)
    assert deliver(there, now=NOW) == Delivered(failed=1)
    assert "several recipients" in deliveries_of(there)[mails.name][0].error


def test_a_mention_in_a_title_from_outside_notifies_nobody(ops_settings: Settings, webhook: Webhook) -> None:
    there = with_channels(ops_settings, webhook.address)
    raised(there, NOW, title="<!channel> @everyone look", detail="<@U123> @here, mail ana@example.com")
    deliver(there, now=NOW)
    text = webhook.taken[0]["title"] + webhook.taken[0]["message"]
    assert not any(mention in text for mention in ("<!", "<@", "@everyone", "@here"))
    assert "ana@example.com" in text


def test_two_alerts_that_are_merged_are_not_resolved(ops_settings: Settings, webhook: Webhook) -> None:
    there = with_channels(ops_settings, webhook.address)
    first, second = (raised(there, NOW, key=key) for key in ("incident:1", "incident:2"))
    deliver(there, now=NOW)
    with transaction(there) as connection:
        acknowledge(connection, second, by="ana", at=NOW + MINUTE)
        merge_alerts(connection, "incident:1", ["incident:2"], at=NOW + 2 * MINUTE, settings=there)
    deliver(there, now=NOW + 60 * MINUTE)
    assert sorted(webhook.titles) == ["[P0] incident:1 is wrong", "[P0] incident:2 is wrong"]
    kept = alert_of(there, first)
    assert (kept.state, kept.acknowledged_by, alert_of(there, second).state) == ("acknowledged", "ana", "resolved")
