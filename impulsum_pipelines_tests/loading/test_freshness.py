"""A table is fresh if it was checked lately, whether anything was new or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.freshness import Freshness, TableAge, assess
from impulsum_pipelines.loading.raw import ensure_tables, insert_row
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES

[JIRA] = [source for source in SOURCES if source.name == "jira"]
#: A Wednesday.
TEN = datetime(2026, 11, 18, 10, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
REFERENCE = {table.name for table in tables("jira") if not table.partitioned}


@pytest.fixture
def home() -> Home:
    home = Home.of(load_settings())
    ensure_tables(home, "jira")
    return home


def pulled(home: Home, at: datetime, *, read: set[str] | None = None, status: str = "done", **more: Any) -> str:
    """Record a live pull that read these tables to the end, by default all of them; returns its id."""
    streams = {table.name: {"ended": "complete"} for table in tables("jira") if read is None or table.name in read}
    row = {"sync_id": f"{at:%Y%m%dT%H%M%S}-00000000", "source": "jira", "mode": "live", "started_at": at}
    row |= {
        "status": status,
        "watermark_to": at if status == "done" else None,
        "streams": orjson.dumps(streams).decode(),
    }
    with home.write_raw("jira") as connection:
        insert_row(connection, "syncs", row | more)
    return str(row["sync_id"])


def store_row(home: Home, table: str, sync_id: str, **columns: Any) -> None:
    """Store a row that a pull wrote."""
    with home.write_raw("jira") as connection:
        insert_row(connection, table, {"id": sync_id, "sync_id": sync_id, **columns})


def assessed(home: Home, now: datetime = TEN, **more: Any) -> Freshness:
    with home.read_raw("jira") as connection:
        return assess(JIRA, connection, load_settings(), now, **more)


def age(found: Freshness, table: str) -> TableAge:
    return next(each for each in found.tables if each.name == table)


@pytest.mark.parametrize(
    ("now", "ago", "level"),
    [
        ("2026-11-18T10:00", HOUR, "stale"),
        ("2026-11-18T10:00", 30 * MINUTE, "fresh"),
        ("2026-11-18T08:30", 14 * HOUR, "fresh"),
        ("2026-11-18T08:31", 14 * HOUR, "stale"),
        ("2026-11-18T23:00", 5 * HOUR, "fresh"),
        ("2026-11-22T12:00", 40 * HOUR, "fresh"),
        ("2026-11-22T12:00", 80 * HOUR, "lost"),
    ],
    ids=["working-day", "in-time", "just-opened", "opened", "evening", "weekend", "lost"],
)
def test_a_pull_is_late_in_the_working_day_and_lost_at_any_hour(
    home: Home, now: str, ago: timedelta, level: str
) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    pulled(home, instant - ago)
    assert assessed(home, instant).level == level


def test_a_pull_that_finds_nothing_is_a_check_and_no_data(home: Home) -> None:
    store_row(home, "issues", pulled(home, TEN - 3 * HOUR), updated_at=TEN - 4 * HOUR)
    pulled(home, TEN - 5 * MINUTE)
    found = assessed(home)
    issues, comments = age(found, "issues"), age(found, "comments")
    assert (found.level, issues.checked_at) == ("fresh", TEN - 5 * MINUTE)
    assert (issues.written_at, issues.changed_at) == (TEN - 3 * HOUR, TEN - 4 * HOUR)
    assert (comments.checked_at, comments.written_at, comments.changed_at) == (TEN - 5 * MINUTE, None, None)
    assert found.text == "No table was left unchecked for more than 5 min; the newest data came 3 h ago."


def test_pulls_that_find_nothing_for_a_week_are_called_quiet(home: Home) -> None:
    store_row(home, "issues", pulled(home, TEN - timedelta(days=8)))
    pulled(home, TEN - 5 * MINUTE)
    assert assessed(home).level == "quiet"
    assert "nothing new has come for 8 d" in assessed(home).text


def test_a_complete_pull_checks_also_unchanged_tables_but_no_reference_table_that_it_did_not_read(home: Home) -> None:
    pulled(home, TEN - 80 * MINUTE)
    pulled(home, TEN - 5 * MINUTE, read={"issues"})
    found = assessed(home)
    assert age(found, "worklogs").checked_at == TEN - 5 * MINUTE
    assert {each.name for each in found.tables if each.checked_at == TEN - 80 * MINUTE} == REFERENCE
    assert found.level == "fresh", "reference tables may be an hour older"


def test_a_table_whose_pulls_end_early_is_named(home: Home) -> None:
    pulled(home, TEN - 5 * HOUR)
    streams = {table.name: {"ended": "complete"} for table in tables("jira")} | {"worklogs": {"ended": "early: no"}}
    pulled(home, TEN - 5 * MINUTE, status="incomplete", streams=orjson.dumps(streams).decode())
    found = assessed(home)
    assert [each.name for each in found.tables if each.level != "fresh"] == ["worklogs"]
    assert found.text.endswith("not been checked for up to 5 h, while others have: worklogs.")


def test_a_source_that_is_not_pulled_says_so_also_while_its_reference_tables_may_still_be_older(home: Home) -> None:
    pulled(home, TEN - HOUR)
    found = assessed(home)
    assert {each.name for each in found.tables if each.level == "fresh"} == REFERENCE
    assert found.text == "Jira has not been pulled for 1 h."


def test_windows_and_loads_that_were_cut_off_check_nothing(home: Home) -> None:
    pulled(home, TEN - 2 * HOUR)
    pulled(home, TEN - 5 * MINUTE, mode="window")
    pulled(home, TEN - 4 * MINUTE, status="cut off")
    assert assessed(home).text == "Jira has not been pulled for 2 h."


def test_a_source_that_was_never_pulled_is_late_once_a_pull_was_tried(home: Home) -> None:
    assert assessed(home).level == "fresh"
    assert assessed(home, tried_since=TEN - 5 * MINUTE).level == "fresh"
    late = assessed(home, tried_since=TEN - 3 * HOUR)
    assert (late.level, late.text) == ("stale", "Jira could not be pulled for 3 h.")
