"""What a census finds, which rows it marks as deleted, and which only as unreachable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from impulsum_pipelines.sources.tempo.client import TempoClient
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.tempo.support import NOW, alive, asked, door, held, later, one, state, sync, wrong

pytestmark = pytest.mark.usefixtures("high_limit")


def months() -> list[tuple[Any, ...]]:
    return held(
        "select scope_id, at_source, held, missing, deleted, unreachable from raw.census where entity = 'worklogs' "
        "and taken_at = (select max(taken_at) from raw.census) order by 1"
    )


def lose_from_the_file(count: int) -> list[str]:
    """Delete rows from the raw file, as if an earlier version had lost them; returns their ids."""
    from impulsum_pipelines.base.home import Home
    from impulsum_pipelines.settings import load_settings

    lost = [row_id for (row_id,) in held("select id from raw.worklogs order by id::int limit ?", count)]
    with Home.of(load_settings()).write_raw("tempo") as connection:
        connection.execute("delete from raw.worklogs where id in (select unnest(?))", [lost])
    return lost


def test_the_first_pull_is_a_census(pulled: Start) -> None:
    site = pulled()
    counted = {month: (at_source, found) for month, at_source, found, *_ in months()}
    true = [columns["start_date"][:7] for columns in door(site)("truth")["worklogs"].values()]
    assert counted == {month: (true.count(month), true.count(month)) for month in sorted(set(true))}
    assert one("select at_source = held from raw.census where entity = 'plans'")


def test_a_census_counts_by_month_of_the_work_date_and_repairs(pulled: Start) -> None:
    site = pulled(issues=60)
    lost = lose_from_the_file(5)
    later(site)
    door(site)("log", days_ago=400)
    sync()
    asked(site)
    sync(census=True)
    assert set(lost) <= alive("worklogs")
    assert wrong(site) == {}
    assert sum(row[3] for row in months()) == 5
    assert all(at_source == found for _, at_source, found, *_ in months())
    # The changes, one request per month, the spans before, between and after them, the changes during the census.
    assert len(months()) > 2
    assert asked(site)["GET /worklogs"] == 1 + len(months()) + 3 + 1


def test_a_worklog_that_moves_to_another_month_during_the_census_is_not_lost(pulled: Start) -> None:
    site = pulled()
    later(site)
    newest = one("select id from raw.worklogs where work_month = '2026-10' order by updated_at, id::int limit 1")
    steps: list[str] = []

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage == "worklogs":
            steps.append(stage)
            if len(steps) == 3:  # September is read, October is not
                door(site)("move", worklog=newest, start_date="2026-09-02")

    sync(census=True, progress=progress)
    assert len(steps) > 3
    assert state("worklogs", newest) == "alive"
    assert str(one("select start_date from raw.worklogs where id = ?", newest)) == "2026-09-02"
    assert wrong(site) == {}


def test_worklogs_that_the_user_may_no_longer_see_are_unreachable_not_deleted(pulled: Start) -> None:
    site = pulled()
    do = door(site)
    user = do("people")["user"]
    others = [row_id for (row_id,) in held("select id from raw.worklogs where author_id <> ?", user)]
    do("restrict")
    later(site)
    result = sync()
    assert result.streams["audit log"].ended.startswith("not permitted")
    sync(census=True)
    unreachable = "select id from raw.worklogs where unreachable_since is not null and deleted_at is null"
    assert others
    assert {row_id for (row_id,) in held(unreachable)} == set(others)
    assert alive("worklogs") == do("truth")["worklogs"].keys()
    do("restrict", restricted=False)
    later(site)
    sync(census=True)
    assert wrong(site) == {}


def test_without_audit_log_the_census_finds_deletions(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    do = door(site)
    do("deny", permission="audit")
    sync()
    victim = one("select id from raw.worklogs order by id::int limit 1")
    plan = one("select id from raw.plans order by id::int limit 1")
    do("delete", worklog=victim)
    do("delete_plan", plan=plan)
    later(site)
    sync()
    assert state("worklogs", victim) == "alive"  # nothing has shown the deletion yet
    sync(census=True)
    assert (state("worklogs", victim), state("plans", plan)) == ("deleted", "deleted")
    assert wrong(site) == {}


def test_a_deletion_during_the_census_hides_no_row(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion moves the rows after it up, and one of them to the page that was just read."""
    site = sandbox(seed=1, issues=20, now=NOW)
    do = door(site)
    do("deny", permission="audit")
    do("shrink_page", limit=10)
    sync()
    later(site)
    original = TempoClient.worklogs_worked
    deleted: list[int] = []

    def delete_one(self: TempoClient, first: Any, last: Any) -> Iterator[Any]:
        for page in original(self, first, last):
            yield page
            if len(page) == 10 and not deleted:
                deleted.append(page[0]["tempoWorklogId"])
                do("delete", worklog=deleted[0])

    with monkeypatch.context() as patch:
        patch.setattr(TempoClient, "worklogs_worked", delete_one)
        sync(census=True)
    assert deleted
    assert do("truth")["worklogs"].keys() <= alive("worklogs")
    later(site)
    sync(census=True)
    assert state("worklogs", deleted[0]) == "deleted"
    assert wrong(site) == {}


def test_a_missing_row_that_is_not_in_the_audit_log_is_unreachable(pulled: Start) -> None:
    """The log shows every deletion since the first pull; this row is missing without one."""
    site = pulled()
    from impulsum_pipelines.base.home import Home
    from impulsum_pipelines.settings import load_settings

    with Home.of(load_settings()).write_raw("tempo") as connection:
        connection.execute(
            "insert into raw.worklogs by name select * replace ('999999' as id) from raw.worklogs "
            "order by id::int limit 1"
        )
    later(site)
    sync(census=True)
    assert state("worklogs", 999999) == "unreachable"


def test_a_watermark_older_than_the_audit_log_takes_a_census_by_itself(pulled: Start) -> None:
    site = pulled()
    do = door(site)
    victim = one("select id from raw.worklogs order by id::int limit 1")
    plan = one("select id from raw.plans order by id::int limit 1")
    do("delete", worklog=victim)
    do("delete_plan", plan=plan)
    site.control("clock", advance_seconds=200 * 86_400)
    do("log")
    result = sync()
    assert result.streams["audit log"].ended.startswith("too old")
    assert (state("worklogs", victim), state("plans", plan)) == ("deleted", "deleted")
    assert wrong(site) == {}
    later(site)
    assert sync().streams["audit log"].ended == "complete"


def test_losing_most_of_a_month_at_once_is_unreachable_not_deleted(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=15, issues=120, now=NOW)
    do = door(site)
    do("deny", permission="audit")
    sync()
    october = [int(i) for (i,) in held("select id from raw.worklogs where work_month = '2026-10' order by id::int")]
    for worklog in october[1:]:
        do("delete", worklog=worklog)
    later(site)
    sync(census=True)
    assert alive("worklogs") == do("truth")["worklogs"].keys()
    assert one("select count(*) from raw.worklogs where deleted_at is not null") == 0
    assert one("select count(*) from raw.worklogs where unreachable_since is not null") == len(october[1:]) > 10
