"""Which days count as closed, by the syncs that the raw file records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.closed_days import Closing, closing, first_open_day, in_words, ranges
from impulsum_pipelines.loading.raw import ensure_tables, insert_row
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.registry import tables

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
ALL = [table.name for table in tables("jira") if table.partitioned]


def at(text: str) -> datetime:
    """An instant of November 2026, such as ``17 09:30``."""
    return datetime.fromisoformat(f"2026-11-{text}+00:00")


def live(start: str | None, end: str, **other: Any) -> dict[str, Any]:
    return {"mode": "live", "watermark_from": start and at(start), "watermark_to": at(end), **other}


def window(first: str, end: str, loaded: list[str] = ALL, **other: Any) -> dict[str, Any]:
    streams = orjson.dumps({table: {"ended": "complete"} for table in loaded}).decode()
    return {
        "mode": "window",
        "window_start": at(f"{first} 00:00"),
        "window_end": at(f"{end} 00:00"),
        "streams": streams,
        **other,
    }


@pytest.fixture
def closing_after() -> Iterator[Any]:
    """Writes syncs into Jira's raw file, and returns how far its days are closed."""
    home = Home.of(load_settings())
    ensure_tables(home, "jira")

    def write(*syncs: dict[str, Any], now: datetime = NOW) -> Closing:
        with home.write_raw("jira") as connection:
            for number, sync in enumerate(syncs):
                row = {"sync_id": str(number), "status": "done"} | sync
                row |= {"watermark_to": row.get("watermark_to") if row["status"] == "done" else None}
                insert_row(connection, "syncs", row)
            return closing(connection, "jira", now, load_settings())

    yield write


def missing(state: Closing) -> str:
    return in_words(state.never_closed)


def test_before_the_first_pull_nothing_is_missing(closing_after: Any) -> None:
    assert closing_after() == Closing(None, ())


def test_the_first_pull_closes_every_day_before_its_own(closing_after: Any) -> None:
    assert missing(closing_after(live(None, "20 08:00"))) == ""


def test_the_day_of_the_first_pull_and_those_after_it_are_to_be_closed(closing_after: Any) -> None:
    syncs = (live(None, "17 10:00"), live("17 10:00", "18 10:00"), live("18 10:00", "20 08:00"))
    assert missing(closing_after(*syncs)) == "2026-11-17 to 2026-11-18"


def test_a_live_pull_closes_what_lies_wholly_within_an_outage(closing_after: Any) -> None:
    nights = window("15", "16"), window("16", "17")
    state = closing_after(live(None, "15 10:00"), *nights, live("15 10:00", "17 17:50"), live("17 17:50", "20 08:00"))
    assert missing(state) == "2026-11-17"
    assert state.read_until == at("20 08:00")


def test_windows_close_their_days(closing_after: Any) -> None:
    state = closing_after(live(None, "15 10:00"), live("15 10:00", "20 08:00"), window("15", "17"), window("19", "20"))
    assert missing(state) == ""
    state = closing_after(live("15 10:00", "16 08:00"), live("16 08:00", "17 08:00"))
    assert missing(state) == ""


@pytest.mark.parametrize(
    "sync",
    [
        window("17", "18", status="incomplete"),
        window("17", "18", status="cut off"),
        window("17", "18", loaded=["issues"]),
        window("16", "17"),
        live("17 09:00", "20 08:00", status="incomplete"),
    ],
    ids=["incomplete", "cut off", "some tables", "another day", "live that ended early"],
)
def test_what_closes_nothing(closing_after: Any, sync: dict[str, Any]) -> None:
    pulls = live(None, "17 08:00"), live("17 08:00", "18 08:00"), live("18 00:00", "20 08:00")
    assert missing(closing_after(*pulls)) == "2026-11-17"
    assert missing(closing_after(sync)) == "2026-11-17"


def test_a_day_must_be_closed_once_the_nightly_close_has_passed(
    closing_after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulls = live(None, "19 10:00"), live("19 10:00", "20 01:00")
    assert missing(closing_after(*pulls, now=at("20 02:59"))) == ""
    assert missing(closing_after(now=at("20 03:00"))) == "2026-11-19"
    monkeypatch.setenv("IMPULSUM_TIMEZONE", "Asia/Tokyo")  # 02:00 there is 17:00 UTC
    assert first_open_day(at("20 17:59"), load_settings()) == date(2026, 11, 19)
    assert first_open_day(at("20 18:00"), load_settings()) == date(2026, 11, 20)
    monkeypatch.setenv("IMPULSUM_TIMEZONE", "America/Los_Angeles")  # and here 10:00 UTC
    assert first_open_day(at("20 10:59"), load_settings()) == date(2026, 11, 19)
    assert first_open_day(at("20 11:00"), load_settings()) == date(2026, 11, 20)


def test_no_day_before_the_first_ever_pulled_is_missing(closing_after: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_START_DATE", "2026-11-18")
    pulls = live(None, "15 10:00"), *(live(f"{day} 10:00", f"{day + 1} 10:00") for day in range(15, 19))
    assert missing(closing_after(*pulls, live("19 10:00", "20 08:00"))) == "2026-11-18 to 2026-11-19"


def test_days_are_described_as_ranges() -> None:
    days = [date(2026, 11, day) for day in (14, 18, 19, 20)]
    assert ranges(days) == [(days[0], days[0]), (days[1], days[3])]
    assert in_words(days) == "2026-11-14, 2026-11-18 to 2026-11-20"
    assert in_words([]) == ""
