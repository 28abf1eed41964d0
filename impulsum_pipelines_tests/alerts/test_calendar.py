"""When people are notified, by local clock time, also in nights when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from impulsum_pipelines.alerts.calendar import Due, in_quiet_hours, outside_waking_hours, when_due
from impulsum_pipelines.alerts.escalation import MOST_ESCALATIONS
from impulsum_pipelines.alerts.lifecycle import acknowledge
from impulsum_pipelines.alerts.outbox import Delivered, deliver
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines_tests.alerts.actions import NOW, escalated, outbox, raised, resolved, with_channels
from impulsum_pipelines_tests.alerts.sinks import Webhook

MINUTE = timedelta(minutes=1)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Santiago"]
#: 22:00 in Berlin on a Tuesday; the night ends at 06:00 UTC.
NIGHT = datetime(2026, 11, 3, 21, tzinfo=UTC)
MORNING = datetime(2026, 11, 4, 6, tzinfo=UTC)


def at(local: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def berlin(**more: str) -> Settings:
    return Settings(impulsum_timezone="Europe/Berlin", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("priority", "needed", "sent", "digest"),
    [
        ("P0", "2026-11-01 03:00", "2026-11-01 03:00", False),
        ("P1", "2026-11-03 23:00", "2026-11-04 07:00", True),
        ("P1", "2026-11-07 12:00", "2026-11-07 12:00", False),
        ("P2", "2026-11-03 19:59", "2026-11-03 19:59", False),
        ("P2", "2026-11-03 20:00", "2026-11-04 07:00", True),
        ("P3", "2026-11-06 20:00", "2026-11-09 07:00", True),
        ("P3", "2026-11-07 12:00", "2026-11-09 07:00", True),
        ("P2", "2026-03-27 21:00", "2026-03-30 07:00", True),
        ("P2", "2026-10-24 12:00", "2026-10-26 07:00", True),
    ],
)
def test_each_priority_has_its_hours(priority: str, needed: str, sent: str, digest: bool) -> None:
    assert when_due(priority, at(needed), berlin()) == Due(at(sent), digest)


def test_a_night_in_which_the_clocks_change_is_an_hour_shorter_or_longer() -> None:
    nights = berlin(impulsum_quiet_hours="20-7")
    for day, hours in (("2026-03-28", 10), ("2026-10-24", 12), ("2026-11-03", 11)):
        begin = at(f"{day} 20:00")
        assert when_due("P2", begin, nights).at - begin == timedelta(hours=hours)


def test_hours_that_do_not_exist_end_when_the_clocks_jump() -> None:
    # On 2026-03-29 there is no 02:00 in Berlin: 01:59 is followed by 03:00, which is 01:00 UTC.
    until_two = berlin(impulsum_quiet_hours="20-2")
    assert when_due("P2", at("2026-03-28 23:00"), until_two).at == datetime(2026, 3, 29, 1, tzinfo=UTC)
    # On 2026-10-25 there are two: neither of them is quiet.
    assert when_due("P2", at("2026-10-24 23:00"), until_two).at == datetime(2026, 10, 25, 0, tzinfo=UTC)


@given(
    moment=st.integers(946684800, 2208988800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    zone=st.sampled_from(ZONES),
    first=st.integers(0, 23),
    length=st.integers(1, 22),
    weekend=st.booleans(),
    priority=st.sampled_from(["P1", "P2", "P3"]),
)
@settings(max_examples=150)
def test_it_is_sent_at_the_first_moment_that_is_not_quiet(
    moment: datetime, zone: str, first: int, length: int, weekend: bool, priority: str
) -> None:
    hours = f"{first}-{(first + length) % 24}"
    there = Settings(
        impulsum_timezone=zone,
        impulsum_quiet_hours=f"{hours},weekend" if weekend else hours,
        impulsum_waking_hours=hours,
    )
    waits = outside_waking_hours if priority == "P1" else in_quiet_hours
    due = when_due(priority, moment, there)
    assert not waits(due.at, there)
    assert due.digest == waits(moment, there)
    if not due.digest:
        assert due.at == moment
        return
    assert waits(due.at - timedelta(seconds=1), there), "the last second before is still quiet"
    minutes = int((due.at - moment) / MINUTE)
    assert all(waits(moment + n * MINUTE, there) for n in range(0, minutes, 7)), "and there is no gap before"
    local = due.at.astimezone(ZoneInfo(zone))
    assert local.minute in (0, 30) and local.second == local.microsecond == 0


@pytest.mark.parametrize("wrong", ["7", "0-24", "00-24", "8-8", "20-25", "24-7", "night", "none,weekend", "1-2,3-4"])
def test_hours_that_make_no_sense_or_never_end_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="is not a range of hours"):
        Settings(impulsum_quiet_hours=wrong)


def test_always_awake_and_never_quiet_can_be_configured() -> None:
    there = Settings(impulsum_quiet_hours="none", impulsum_waking_hours="0-24")
    for priority in ("P1", "P2", "P3"):
        assert when_due(priority, at("2026-11-01 03:00"), there).digest is False


def test_alerts_that_waited_are_in_one_digest_with_those_resolved_by_then(
    ops_settings: Settings, webhook: Webhook
) -> None:
    there = with_channels(ops_settings, webhook.address, impulsum_timezone="Europe/Berlin")
    raised(there, NIGHT, key="slow", priority="P2")
    gone = raised(there, NIGHT + MINUTE, key="late", priority="P3", evidence={"links": ["https://jira/L-1"]})
    raised(there, NIGHT + 2 * MINUTE, key="blocked", priority="P1")
    raised(there, NIGHT + 3 * MINUTE, key="down", priority="P0")
    assert deliver(there, now=NIGHT + 5 * MINUTE) == Delivered(sent=1)
    resolved(there, gone, NIGHT + 60 * MINUTE)
    assert outbox(there, gone) == [("opened", "pending"), ("resolved", "pending")]
    assert deliver(there, now=MORNING - MINUTE) == Delivered()
    assert deliver(there, now=MORNING) == Delivered(sent=1)
    assert webhook.titles == ["[P0] down is wrong", "3 alerts: 1 P1, 1 P2, 1 P3; 1 resolved"]
    lines = webhook.taken[1]["message"].splitlines()
    assert [line[:12] for line in lines[:3]] == ["[P1] blocked", "[P2] slow is", "[P3] late is"]
    assert "opened 2026-11-03 22:01 CET, resolved 2026-11-03 23:00 CET" in lines[2]
    assert lines[3] == "https://jira/L-1"
    assert deliver(there, now=MORNING + 24 * 60 * MINUTE) == Delivered()


def test_resolved_just_before_the_digest_is_reported_in_it_and_not_again(
    ops_settings: Settings, webhook: Webhook
) -> None:
    there = with_channels(ops_settings, webhook.address, impulsum_timezone="Europe/Berlin")
    raised(there, NIGHT, key="other", priority="P2")
    gone = raised(there, NIGHT, key="late", priority="P2")
    resolved(there, gone, MORNING - 5 * MINUTE)
    assert deliver(there, now=MORNING) == Delivered(sent=1)
    assert deliver(there, now=MORNING + 60 * MINUTE) == Delivered()
    assert webhook.titles == ["2 alerts: 2 P2; 1 resolved"]


def test_worse_in_the_night_is_sent_at_once_and_not_again_in_the_morning(
    ops_settings: Settings, webhook: Webhook
) -> None:
    there = with_channels(ops_settings, webhook.address, impulsum_timezone="Europe/Berlin")
    raised(there, NIGHT, key="slow", priority="P2")
    raised(there, NIGHT + MINUTE, key="slow", priority="P0")
    assert deliver(there, now=NIGHT + MINUTE) == Delivered(sent=1)
    assert deliver(there, now=MORNING) == Delivered()
    assert webhook.titles == ["[P0] Worse: slow is wrong"]


def test_a_p0_that_nobody_acknowledges_is_sent_again_a_few_times(ops_settings: Settings, webhook: Webhook) -> None:
    there = with_channels(ops_settings, webhook.address)
    raised(there, NOW)
    for minute in range(0, 6 * 60, 5):
        escalated(there, NOW + minute * MINUTE)
        deliver(there, now=NOW + minute * MINUTE)
    again = "[P0] Still not acknowledged: jira:ABC-1 is wrong"
    assert webhook.titles == ["[P0] jira:ABC-1 is wrong", *[again] * MOST_ESCALATIONS]
    assert len(set(webhook.ids)) == 1 + MOST_ESCALATIONS


def test_escalation_begins_when_it_is_a_p0_and_ends_when_acknowledged(ops_settings: Settings) -> None:
    alert = raised(ops_settings, NOW, priority="P2")
    assert escalated(ops_settings, NOW + 300 * MINUTE) == 0
    raised(ops_settings, NOW + 300 * MINUTE, priority="P0")
    assert escalated(ops_settings, NOW + 329 * MINUTE) == 0
    assert escalated(ops_settings, NOW + 330 * MINUTE) == 1
    assert escalated(ops_settings, NOW + 330 * MINUTE) == 0
    with transaction(ops_settings) as connection:
        acknowledge(connection, alert, by="ana", at=NOW + 331 * MINUTE)
    assert outbox(ops_settings, alert)[-1] == ("escalated", "superseded"), "acknowledged before it was sent"
    assert escalated(ops_settings, NOW + 900 * MINUTE) == 0
