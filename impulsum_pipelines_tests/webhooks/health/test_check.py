"""Webhooks compared with pulls: agreement is counted, missed changes are recorded, and silence makes pulls faster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines.webhooks.health.check import check
from impulsum_pipelines.webhooks.health.report import Standing, is_silent, standings
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.webhooks.health.team import (
    BY_NAME,
    RawFileTeam,
    SandboxTeam,
    Team,
    commit,
    outcomes,
    ranges,
    seen_by,
    webhook_alerts,
)

pytestmark = pytest.mark.usefixtures("quick_loads")

JIRA = BY_NAME["jira"]


@pytest.fixture
def sandbox_team(sandbox: SandboxFactory) -> SandboxTeam:
    return SandboxTeam(sandbox(issues=12, now="2026-11-18T09:00:00Z"))


@pytest.fixture
def raw_file_team() -> RawFileTeam:
    return RawFileTeam(datetime(2026, 11, 18, 9, tzinfo=UTC))


def standing(team: Team) -> Standing:
    """The webhook health of Jira."""
    [jira] = [found for found in standings(load_settings(), at=team.now) if found.source == JIRA]
    return jira


def test_silence_makes_pulls_faster_until_webhooks_resume(sandbox_team: SandboxTeam) -> None:
    team = sandbox_team
    team.pull()
    team.work(3, delivered=True)
    assert not team.pull_and_check().is_silent
    assert (outcomes()["told"], len(set(seen_by())), None in seen_by()) == (3, 1, False)
    found = standing(team)
    assert (found.mode, found.days[0].rate, found.trouble) == ("webhooks", 1.0, None)
    assert (webhook_alerts(), ranges()) == ([], [])

    lost = team.work(6, delivered=False)
    team.wait(12)
    assert team.pull_and_check().is_silent
    assert is_silent(load_settings(), "jira")
    [(state, title, detail)] = webhook_alerts()
    assert state == "open"
    assert title == (
        "No webhook from Jira since 2026-11-18 09:06 UTC while pulls found 6 changes; "
        "Jira is pulled every 5 minutes until webhooks resume"
    )
    assert "impulsum webhooks serve" in detail and "JIRA_WEBHOOK_SECRET" in detail
    assert ranges() == [("deliveries", "open", 6)]
    found = standing(team)
    assert found.days[0].rate == pytest.approx(1 / 3)
    assert "silent since 2026-11-18 09:06 UTC" in str(found.trouble)

    team.deliver(lost[0])  # one delivery is retried: the silence is not over yet
    team.work(3, delivered=True)
    team.wait(70)
    assert not team.pull_and_check().is_silent
    assert not is_silent(load_settings(), "jira")
    assert [state for state, *_ in webhook_alerts()] == ["resolved"]
    assert ranges() == [("deliveries", "backfilled", 5)]
    assert (outcomes()["told"], outcomes()["missed"]) == (7, 5)
    assert standing(team).trouble is None


def test_an_event_that_no_pull_shows_raises_an_alert_until_its_day_is_read_again(sandbox_team: SandboxTeam) -> None:
    team = sandbox_team
    team.pull()
    team.site.control("search_lag", seconds=3600)  # longer than live pulls overlap, so their watermark moves past it
    hidden = team.edit(delivered=True)
    team.wait(20)
    assert team.pull_and_check().unseen == 0, "its tier allows half an hour"
    team.wait(20)
    assert team.pull_and_check().unseen == 1
    [(state, title, detail)] = webhook_alerts()
    assert (state, title) == ("open", "No pull of Jira shows an event, the oldest of 2026-11-18 09:00 UTC")
    assert f"issue:{hidden['key']}" in detail and "impulsum doctor" in detail
    assert ranges() == [("pulls", "open", 1)]

    team.wait(24 * 60)
    assert team.pull_and_check().unseen == 1, "live pulls do not read that time again"
    team.pull_and_check(window=Window(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)))
    assert [state for state, *_ in webhook_alerts()] == ["resolved"]
    assert ranges() == [("pulls", "backfilled", 1)]
    assert None not in seen_by()


def reported_and_not_pulled(raw_file_team: RawFileTeam) -> dict[str, dict[str, Any]]:
    """A change that an event reported 40 minutes ago; pulls do not show it until it is put back."""
    raw_file_team.edit(delivered=True)
    raw_file_team.pull_and_check()
    raw_file_team.wait(20)
    raw_file_team.deliver(raw_file_team.change_again(1))
    hidden, raw_file_team.changed = raw_file_team.changed, {}
    raw_file_team.wait(40)
    return hidden


def test_the_alert_ends_when_a_later_pull_shows_the_event(ops_settings: Settings, raw_file_team: RawFileTeam) -> None:
    hidden = reported_and_not_pulled(raw_file_team)
    assert raw_file_team.pull_and_check().unseen == 1
    assert (len(webhook_alerts()), ranges()) == (1, [("pulls", "open", 1)])
    assert [event["subjects"][0] for event in standing(raw_file_team).unseen] == [f"issue:{key}" for key in hidden]
    raw_file_team.changed = hidden
    assert raw_file_team.pull_and_check().unseen == 0
    assert [state for state, *_ in webhook_alerts()] == ["resolved"]
    assert ranges() == [("pulls", "backfilled", 1)]
    assert (seen_by(), outcomes()) == (["sync-1", "sync-3"], {"told": 2})


def test_an_overdue_event_is_searched_for_until_a_pull_shows_it(
    ops_settings: Settings, raw_file_team: RawFileTeam
) -> None:
    hidden = reported_and_not_pulled(raw_file_team)
    for _ in range(5):
        assert raw_file_team.pull_and_check().unseen == 1
        raw_file_team.wait(8 * 24 * 60)
    assert ([state for state, *_ in webhook_alerts()], ranges()) == (["open"], [("pulls", "open", 1)])
    raw_file_team.changed = hidden
    assert raw_file_team.pull_and_check().unseen == 0
    assert ([state for state, *_ in webhook_alerts()], ranges()) == (["resolved"], [("pulls", "backfilled", 1)])


def test_events_wait_for_a_pull_that_succeeds(sandbox_team: SandboxTeam) -> None:
    team = sandbox_team
    team.pull()
    team.edit(delivered=True)
    team.wait(40)
    team.site.control("revoke_token")
    with pytest.raises(ImpulsumError):
        team.pull()
    checked = check(load_settings(), JIRA, at=team.now)
    assert checked is not None and checked.unseen == 1
    [(_, _, detail)] = webhook_alerts()
    assert "The newest live pull is failed:" in detail
    team.site.control("revoke_token", revoked=False)
    assert team.pull_and_check().unseen == 0
    assert [state for state, *_ in webhook_alerts()] == ["resolved"]


def test_what_was_deleted_is_seen_by_the_census(sandbox_team: SandboxTeam) -> None:
    team = sandbox_team
    team.pull()
    edited = team.edit(delivered=True)
    [project] = team.site.control("ids")
    for issue in edited, team.site.control("create_issue", project=project):  # no pull ever reads the other one
        team.site.control("delete_issue", issue=issue["id"])
        team.deliver(issue, "jira:issue_created")
        team.deliver({**issue, "updated": team.now.isoformat()}, "jira:issue_deleted")
    team.wait(60)
    assert team.pull_and_check().unseen == 0
    assert seen_by()[:3] == ["none", "none", None], "a live pull finds no deletion"
    assert seen_by()[4] is not None, "a subject that was never stored counts as deleted"
    assert team.pull_and_check(census=True).unseen == 0
    assert None not in seen_by()


def test_without_webhooks_no_alert_is_raised(raw_file_team: RawFileTeam) -> None:
    raw_file_team.work(8, delivered=False)
    raw_file_team.wait(30)
    raw_file_team.pull()
    assert check(load_settings(), JIRA, at=raw_file_team.now) is None
    assert (outcomes(), webhook_alerts()) == ({}, [])
    assert {found.mode for found in standings(load_settings(), at=raw_file_team.now)} == {"no webhooks"}


def test_with_a_secret_alone_webhooks_are_expected(raw_file_team: RawFileTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIRA_WEBHOOK_SECRET", "hush")
    raw_file_team.work(8, delivered=False)
    raw_file_team.wait(30)
    assert not raw_file_team.pull_and_check().is_silent, "earlier changes do not count"
    raw_file_team.wait(1)
    raw_file_team.work(6, delivered=False)
    raw_file_team.wait(12)
    assert raw_file_team.pull_and_check().is_silent
    [(_, title, _)] = webhook_alerts()
    assert title.startswith("No webhook from Jira ever arrived, though its secret is set, while pulls found 6 changes")


def test_scopes_without_a_webhook_do_not_count(raw_file_team: RawFileTeam) -> None:
    raw_file_team.pull()
    raw_file_team.work(3, delivered=True)
    raw_file_team.pull_and_check()
    raw_file_team.project = "XYZ"
    raw_file_team.work(8, delivered=False)
    raw_file_team.wait(30)
    assert not raw_file_team.pull_and_check().is_silent
    assert outcomes() == {"told": 3, "unwatched": 8}


def test_one_lost_delivery_is_recorded_and_raises_no_alert(ops_settings: Settings, raw_file_team: RawFileTeam) -> None:
    for delivered in (True, True, False, True, True):
        raw_file_team.edit(delivered=delivered)
        raw_file_team.wait(3)
    raw_file_team.wait(12)
    assert not raw_file_team.pull_and_check().is_silent
    assert (ranges(), webhook_alerts()) == ([("deliveries", "open", 1)], [])
    assert standing(raw_file_team).days[0].rate == 0.8
    raw_file_team.wait(70)
    raw_file_team.pull_and_check()
    assert ranges() == [("deliveries", "backfilled", 1)]


def test_a_late_delivery_was_not_missed(ops_settings: Settings, raw_file_team: RawFileTeam) -> None:
    raw_file_team.edit(delivered=True)
    raw_file_team.wait(3)
    late = raw_file_team.edit(delivered=False)
    raw_file_team.wait(30)
    raw_file_team.pull_and_check()
    assert ranges() == [("deliveries", "open", 1)]
    raw_file_team.deliver(late)
    raw_file_team.pull_and_check()
    assert (ranges(), outcomes()) == ([("deliveries", "came late", 0)], {"told": 2})


def test_an_event_reports_its_own_change_and_no_later_one(raw_file_team: RawFileTeam) -> None:
    raw_file_team.edit(delivered=True)
    raw_file_team.pull()
    raw_file_team.wait(15)
    raw_file_team.edit(delivered=True)
    raw_file_team.wait(1)
    raw_file_team.change_again(1)
    raw_file_team.wait(30)
    raw_file_team.pull_and_check()
    assert (outcomes(), seen_by()) == ({"told": 1, "missed": 1}, ["sync-2", "sync-2"])


def test_an_import_without_webhooks_is_no_silence(raw_file_team: RawFileTeam) -> None:
    raw_file_team.edit(delivered=True)
    raw_file_team.wait(3)
    for _ in range(40):
        raw_file_team.edit(delivered=False)
    raw_file_team.wait(30)
    assert not raw_file_team.pull_and_check().is_silent
    assert ranges() == [("deliveries", "open", 40)]


def test_a_source_whose_webhooks_were_given_up_raises_no_more_alerts(
    ops_settings: Settings, raw_file_team: RawFileTeam
) -> None:
    raw_file_team.edit(delivered=True)
    raw_file_team.work(6, delivered=False)
    raw_file_team.wait(12)
    assert raw_file_team.pull_and_check().is_silent
    raw_file_team.wait(15 * 24 * 60)
    for _ in range(2):
        raw_file_team.work(6, delivered=False)
        raw_file_team.wait(12)
        assert not raw_file_team.pull_and_check().is_silent
    assert [state for state, *_ in webhook_alerts()] == ["resolved"]


def test_what_waits_in_the_inbox_is_not_missed(raw_file_team: RawFileTeam) -> None:
    raw_file_team.edit(delivered=True)
    for _ in range(6):
        raw_file_team.send(raw_file_team.edit(delivered=False))
        raw_file_team.wait(3)
    raw_file_team.wait(12)
    assert not raw_file_team.pull_and_check().is_silent
    assert outcomes() == {"told": 1, "waiting": 6}
    commit()
    raw_file_team.pull_and_check()
    assert outcomes() == {"told": 7}


def test_an_event_that_no_pull_has_to_show_raises_no_alert(raw_file_team: RawFileTeam) -> None:
    raw_file_team.edit(delivered=True)
    raw_file_team.pull_and_check()
    elsewhere = {"id": "1", "key": "NOWHERE-1", "updated": raw_file_team.now.isoformat()}
    for kind in ("project_updated", "issue_property_set", "comment_deleted"):
        raw_file_team.deliver(elsewhere, kind)
    raw_file_team.deliver(elsewhere)
    raw_file_team.pull_and_check()
    assert seen_by()[1:] == ["none", "none", "none", None], "a new project may come with the next pull"
    raw_file_team.wait(60)
    assert raw_file_team.pull_and_check().unseen == 0
    assert seen_by()[1:] == ["none"] * 4, "the project is not pulled"


def test_the_next_check_makes_up_for_a_failed_one(raw_file_team: RawFileTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError

    raw_file_team.work(3, delivered=True)
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr("impulsum_pipelines.webhooks.health.missed.update_missed_pulls", crash)
        raw_file_team.pull_and_check()
    assert (outcomes(), seen_by()) == ({}, [None] * 3)
    for _ in range(2):
        raw_file_team.pull_and_check()
        assert outcomes() == {"told": 3}
    assert None not in seen_by()


def test_a_check_does_not_wait_long_for_a_load(raw_file_team: RawFileTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impulsum_pipelines.webhooks.health.pulled._LOCK_SECONDS", 0)
    raw_file_team.work(3, delivered=True)
    raw_file_team.pull()
    with Home.of(load_settings()).writing("jira"), pytest.raises(ImpulsumError, match="kept jira locked"):
        check(load_settings(), JIRA, at=raw_file_team.now)
    assert check(load_settings(), JIRA, at=raw_file_team.now) is not None
    assert outcomes() == {"told": 3}
