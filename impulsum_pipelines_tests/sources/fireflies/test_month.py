"""A month of a team's meetings: pulled live, by windows of a day, and once from nothing; all end with the truth."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.sandbox.fireflies import history
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines_tests.sources.fireflies.conftest import Fireflies, StartFireflies
from impulsum_pipelines_tests.sources.live import Live

FIRST = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAYS = 30


def a_day(site: Fireflies, chance: random.Random, number: int) -> None:
    """What happens in a day."""
    site.do("hold_meeting", title=f"Stand-up of day {number}", minutes=15)
    open_ones = [m["id"] for m in site.do("meetings")["meetings"] if m["live"] or m["status"] == "processing"]
    for meeting in open_ones:
        site.do(chance.choice(("finish_processing", "finish_processing", "fail_processing")), meeting=meeting)
    recent = site.ids()[:12]
    match number % 6:
        case 0:
            site.do("hold_meeting", title="A long one", status="processing")
        case 1:
            site.do("hold_meeting", title="Going on", live=True)
        case 2:
            site.do("upload_old", days_ago=chance.choice((4, 18)))
        case 3:
            site.do("retitle", meeting=chance.choice(recent), title=f"Renamed on day {number}")
            site.do("rename_speaker", meeting=chance.choice(recent), name=f"Guest {number}")
        case 4:
            site.do("delete", meeting=chance.choice(recent))
        case _:
            site.do("unshare", meeting=chance.choice(recent))
            site.do("set_privacy", meeting=site.ids()[3], privacy="owner")


def days(site: Fireflies) -> Iterator[Window]:
    """Every day in which a meeting began."""
    began = {datetime.fromtimestamp(m["date"] / 1000, UTC).date() for m in site.do("meetings")["meetings"]}
    for day in sorted(began):
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        yield Window(start, start + timedelta(days=1))


def alive_rows(site: Fireflies) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that is alive, without when it was read."""
    return {
        table: site.pulls.held(
            f"select * exclude (sync_id, extracted_at, site) from raw.{table} "
            "where deleted_at is null and unreachable_since is null order by id"
        )
        for table in ("transcripts", "sentences", "attendees", "action_items")
    }


@pytest.mark.long
@pytest.mark.exhaustive
def test_a_month(fireflies: StartFireflies, live: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(history, "MOST_TICKETS", 3)
    monkeypatch.setattr(history, "WEEKS", 2)
    site = fireflies(seed=42, issues=40)
    chance = random.Random(42)
    site.sync()
    live(site.served, site.sync)
    for number in range(DAYS):
        site.later(days=1)
        a_day(site, chance, number)
        if number == 10:  # a night without the source
            site.served.control("fault", kind="status", status=503, path="graphql", count=http.ATTEMPTS)
            with pytest.raises(ImpulsumError, match="503"):
                site.sync()
        elif number % 3 == 2:  # not every day: what happens in between must be caught, too
            site.sync()
            assert site.differences() == {}, f"day {number}"
    site.do("delete", meeting=site.ids()[-1])
    old = site.do("upload_old", days_ago=60)["id"]
    site.served.control("clock", freeze=True)
    site.sync(census=True)
    site.pulls.prove(site.do("truth"))
    assert old in site.pulls.alive("transcripts")
    assert site.pulls.one("select at_source = held from raw.census order by taken_at desc limit 1")
    of_live = alive_rows(site)

    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "days"))
    for window in days(site):
        site.sync(window=window)
    assert site.differences() == {}
    assert alive_rows(site) == of_live

    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "once"))
    site.sync()
    assert site.differences() == {}
    assert alive_rows(site) == of_live
    assert site.refused() == 0
