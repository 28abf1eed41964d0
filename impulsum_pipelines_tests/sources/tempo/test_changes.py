"""Changes that people make in Tempo reach a live pull, a window and a census."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.tempo.support import NOW, alive, asked, door, held, later, one, state, sync, wrong

pytestmark = pytest.mark.usefixtures("high_limit")


def some_worklog(number: int = 0) -> int:
    return int(one("select id from raw.worklogs order by id::int limit 1 offset ?", number))


def test_ten_changes_are_pulled_with_three_requests(pulled: Start) -> None:
    site = pulled()
    do = door(site)
    asked(site)
    later(site)
    new = do("log", seconds=5400)["id"]
    old = do("log", days_ago=40, description="forgotten")["id"]
    do("edit", worklog=some_worklog(0), seconds=60, description="less")
    do("edit", worklog=some_worklog(1), account="INTERNAL")
    other = one("select issue_id from raw.worklogs order by id::int desc limit 1")
    do("move", worklog=some_worklog(2), issue=other)
    do("move", worklog=some_worklog(3), start_date="2026-08-02")
    do("delete", worklog=some_worklog(4))
    do("plan", days=3)
    do("edit_plan", plan=one("select min(id::int) from raw.plans"), seconds_per_day=3_600)
    gone = one("select max(id::int) from raw.plans")
    do("delete_plan", plan=gone)
    later(site)
    result = sync()
    assert asked(site) == {"POST /papertrail/search": 1, "GET /worklogs": 1, "GET /plans": 1}
    assert wrong(site) == {}
    assert {str(new), str(old)} <= alive("worklogs")
    assert (state("worklogs", some_worklog(4)), state("plans", gone)) == ("deleted", "deleted")
    counts = result.rows["worklogs"]
    assert (counts.new, counts.changed, counts.deleted) == (2, 4, 1)


def test_work_date_and_system_time_are_kept_apart(pulled: Start) -> None:
    site = pulled()
    made = door(site)("log", days_ago=10, start_time="22:30:00", zone="America/New_York")["id"]
    later(site)
    sync()
    [(start_date, start_time, started_at, created_at, month)] = held(
        "select start_date, start_time, started_at, created_at, work_month from raw.worklogs where id = ?", str(made)
    )
    assert (f"{start_date}", start_time, month) == ("2026-10-22", "22:30:00", "2026-10")
    assert started_at == datetime(2026, 10, 23, 2, 30, tzinfo=UTC)  # another day in UTC
    assert f"{created_at:%Y-%m-%d}" == "2026-11-01"


def test_accounts_and_teams_change_when_they_are_due(pulled: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    site = pulled()
    do = door(site)
    team = one("select min(id::int) from raw.teams")
    first = one("select min(id::int) from raw.team_members")
    removed = one("select max(id::int) from raw.team_members where team_id = ?", str(team))
    do("close_account", account="INTERNAL")
    do("close_account", account="MIGRATION", status="ARCHIVED")
    do("add_team_member", team=team, person=2)
    do("end_membership", membership=first)
    do("remove_team_member", membership=removed)
    later(site)
    asked(site)
    sync()
    assert "GET /accounts" not in asked(site)
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    sync()
    assert sum(asked(site).values()) == 8
    assert wrong(site) == {}
    assert one("select status from raw.accounts where key = 'INTERNAL'") == "CLOSED"
    assert state("accounts", one("select id from raw.accounts where key = 'MIGRATION'")) == "unreachable"
    assert state("team_members", removed) == "deleted"
    assert str(one("select last_date from raw.team_members where id = ?", str(first))) == "2026-11-01"


def test_workload_schemes_and_who_is_in_them_change_when_they_are_due(
    pulled: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    site = pulled()
    do = door(site)
    assert held("select name, week_seconds, days->>'SUNDAY' from raw.workload_schemes where is_default") == [
        ("Full time", 144_000, "0")
    ]
    full, part = (int(row_id) for (row_id,) in held("select id from raw.workload_schemes order by id::int"))
    moved = do("move_to_scheme", scheme=part, person=1)["member"]
    do("set_workload", scheme=part, seconds=18_000)
    do("shrink_page", limit=2)
    later(site)
    asked(site)
    sync()
    assert wrong(site) == {}
    assert asked(site)["POST /workload-schemes/members/search"] > 2
    assert state("workload_scheme_members", f"{full}:{moved}") == "deleted"
    do("delete_scheme", scheme=part)
    later(site)
    sync()
    assert wrong(site) == {}
    assert (state("workload_schemes", part), state("workload_scheme_members", f"{part}:{moved}")) == (
        "deleted", "deleted",
    )  # fmt: skip
    do("deny", permission="schemes")
    sync()
    assert (state("workload_schemes", full), state("workload_scheme_members", f"{full}:{moved}")) == ("alive", "alive")


def test_a_hidden_team_is_unreachable_and_a_deleted_one_is_deleted(
    pulled: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    site = pulled(issues=90)
    do = door(site)
    hidden, gone = [team for (team,) in held("select id from raw.teams order by id limit 2")]
    of_hidden = one("select min(id) from raw.team_members where team_id = ?", hidden)
    of_gone = one("select min(id) from raw.team_members where team_id = ?", gone)
    do("hide_team", team=hidden)
    do("delete_team", team=gone)
    do("delete_account", account="MIGRATION")
    later(site)
    sync()
    assert wrong(site) == {}
    assert (state("teams", hidden), state("teams", gone)) == ("unreachable", "deleted")
    assert (state("team_members", of_hidden), state("team_members", of_gone)) == ("unreachable", "unreachable")
    assert state("accounts", one("select id from raw.accounts where key = 'MIGRATION'")) == "deleted"
    do("hide_team", team=hidden, hidden=False)
    later(site)
    sync()
    assert wrong(site) == {}
    assert (state("teams", hidden), state("team_members", of_hidden)) == ("alive", "alive")


def test_a_window_reads_its_span_of_change_time_and_does_not_move_the_watermark(pulled: Start) -> None:
    site = pulled()
    do = door(site)
    site.control("clock", now="2026-11-02T23:59:58Z", freeze=True)
    inside = do("log", description="the day before")["id"]
    gone = do("log", description="a mistake")["id"]
    do("delete", worklog=gone)
    site.control("clock", now="2026-11-03T00:00:00Z")
    outside = do("log", description="the day after")["id"]
    later(site)
    start = datetime(2026, 11, 2, tzinfo=UTC)
    watermark = one("select max(watermark_to) from raw.syncs")
    asked(site)
    result = sync(window=Window(start, datetime(2026, 11, 3, tzinfo=UTC)))
    assert result.watermark_to is None
    assert sum(asked(site).values()) == 3
    assert one("select max(watermark_to) from raw.syncs") == watermark
    assert str(inside) in alive("worklogs")
    assert not {str(outside), str(gone)} & alive("worklogs")
    sync()
    assert wrong(site) == {}


def test_a_window_marks_a_deletion_of_its_span(pulled: Start) -> None:
    site = pulled()
    victim = some_worklog()
    door(site)("delete", worklog=victim)
    site.control("clock", now="2026-11-03T10:00:00Z")
    sync(window=Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)))
    assert state("worklogs", victim) == "deleted"


def test_a_window_older_than_the_audit_log_is_still_read(sandbox: SandboxFactory) -> None:
    sandbox(seed=1, issues=20, now=NOW)
    result = sync(window=Window(datetime(2010, 1, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)))
    assert result.streams["audit log"].ended.startswith("too old")
    assert one("select max(updated_at) from raw.worklogs") < datetime(2026, 10, 1, tzinfo=UTC)
    assert alive("worklogs")


def test_nothing_from_before_the_first_day_is_read(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox(seed=1, issues=20, now=NOW)
    monkeypatch.setenv("IMPULSUM_START_DATE", "2026-10-15")
    sync()
    first = one("select min(updated_at) from raw.worklogs")
    assert first >= datetime(2026, 10, 15, tzinfo=UTC)
    stored_first = alive("worklogs")
    sync(census=True)
    assert alive("worklogs") == stored_first


def test_a_bulk_edit_within_one_second_is_read_completely(pulled: Start) -> None:
    site = pulled()
    site.control("clock", now="2026-11-01T12:15:00Z", freeze=True)
    touched = door(site)("bulk_touch", count=40)["ids"]
    sync()
    assert one("select count(*) from raw.worklogs where description like '%.'") >= len(touched)
    assert one("select count(distinct updated_at) from raw.worklogs where description like '%.'") == 1
    assert wrong(site) == {}


def test_a_pull_that_overlaps_the_last_one_changes_no_row(pulled: Start) -> None:
    site = pulled()
    made = door(site)("log")["id"]
    sync()  # within the overlap
    assert str(made) in alive("worklogs")
    result = sync()
    assert (result.rows["worklogs"].new, result.rows["worklogs"].changed) == (0, 0)
    assert result.rows["worklogs"].unchanged >= 1


def test_hours_that_a_plan_shows_for_a_span_do_not_rewrite_it(pulled: Start) -> None:
    """totalPlannedSecondsInScope depends on the days of the request, so these are always the same."""
    site = pulled()
    site.control("clock", advance_seconds=40 * 86_400)
    result = sync(census=True)
    assert (result.rows["plans"].new, result.rows["plans"].changed) == (0, 0)
    assert one("select min((payload->>'totalPlannedSecondsInScope')::int) from raw.plans") > 0


@pytest.mark.parametrize("size", [1, 7, pytest.param(20, marks=pytest.mark.exhaustive)])
def test_pages_smaller_than_requested_are_read_to_the_end(sandbox: SandboxFactory, size: int) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    if size == 1:
        for worklog in sorted(map(int, door(site)("truth")["worklogs"]))[4:]:
            door(site)("delete", worklog=worklog)
        for plan in sorted(map(int, door(site)("truth")["plans"]))[2:]:
            door(site)("delete_plan", plan=plan)
        for membership in sorted(map(int, door(site)("truth")["team_members"]))[3:]:
            door(site)("remove_team_member", membership=membership)
    door(site)("shrink_page", limit=size)
    sync()
    assert wrong(site) == {}
    assert door(site)("limits") == {"refused": 0}


def test_a_full_page_without_a_link_is_not_the_end(sandbox: SandboxFactory) -> None:
    """When a full page names no next page, the next page is read anyway."""
    site = sandbox(seed=1, issues=20, now=NOW)
    door(site)("shrink_page", limit=20)
    site.control("fault", kind="end_early", path="/worklogs")
    sync()
    assert wrong(site) == {}


def test_a_deletion_during_the_walk_hides_no_row(sandbox: SandboxFactory) -> None:
    """A deletion moves the rows after it up, and one of them to the page that was just read."""
    site = sandbox(seed=1, issues=20, now=NOW)
    do = door(site)
    do("shrink_page", limit=10)
    newest = sorted(do("truth")["worklogs"].items(), key=lambda item: (item[1]["updated_at"], int(item[0])))[-1][0]
    pulled: list[str] = []

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage == "worklogs" and not pulled:
            pulled.append(stage)
            do("delete", worklog=newest)

    sync(progress=progress)
    assert do("truth")["worklogs"].keys() <= alive("worklogs")
    later(site)
    sync()
    assert wrong(site) == {}


def test_a_change_during_the_walk_hides_no_row(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    do = door(site)
    do("shrink_page", limit=10)
    oldest = sorted(do("truth")["worklogs"].items(), key=lambda item: (item[1]["updated_at"], int(item[0])))[0][0]
    pulled: list[str] = []

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage == "worklogs" and not pulled:
            pulled.append(stage)
            do("move", worklog=oldest, start_date="2026-10-31")

    sync(progress=progress)
    later(site)
    sync()
    assert wrong(site) == {}
