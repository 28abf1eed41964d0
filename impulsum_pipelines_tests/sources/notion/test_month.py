"""A month of edits, late arrivals, deletions and an outage: three ways to pull it end with the same rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines_tests.sources.live import Live
from impulsum_pipelines_tests.sources.notion.support import NOW, differences, everything, notion, sync
from impulsum_pipelines_tests.sources.sites import Start

DAYS, EVERY, SPAN = 30, 3, 6
OUTAGE = 12


class Month:
    """What people do to a workspace in a month, from a seed."""

    def __init__(self, site: Any, seed: int) -> None:
        self.site = site
        self.rng = Random(seed)
        self.trashed: list[str] = []
        self.unshared: list[str] = []

    def _do(self, verb: str, **arguments: Any) -> Any:
        return self.site.control(f"notion/{verb}", **arguments)

    def day(self, number: int) -> None:
        """One day: some of everything, an hour or so apart."""
        truth = self._do("truth")
        top = {"How we work", "Onboarding", "Glossary", "Team home"}
        pages = sorted(i for i, page in truth["pages"].items() if page["title"] not in top)
        blocks = sorted(i for i, b in truth["blocks"].items() if b["type"] in ("paragraph", "to_do"))
        sources = sorted(truth["data_sources"])
        pick = self.rng.choice
        self._do("edit_page", page=pick(pages), title=f"Edited on day {number}")
        self._wait()
        made = self._do("create_page", parent=pick(sources), title=f"Day {number}", lines=["one", "two"])["id"]
        self._do("append_blocks", parent=made, count=2, depth=self.rng.randint(1, 4))
        self._wait()
        self._do("edit_block", block=pick(blocks), text=f"Written on day {number}", quiet=number % 2 == 0)
        self._do("comment", page=pick(pages), text=f"Said on day {number}")
        if truth["comments"] and number % 3 == 0:
            comment = pick(sorted(truth["comments"]))
            self._do(pick(("delete_comment", "resolve_comment")), comment=comment)
        if number % 4 == 0:
            self._do("create_page", parent=pick(pages), title=f"Below, day {number}", lines=["deep"])
        if number % 5 == 0:
            self._do("move_page", page=pick(pages), target=pick(sources))
        if number % 6 == 0:
            self.trashed.append(pick(pages))
            self._do("trash_page", page=self.trashed[-1])
        if number % 9 == 0 and self.trashed:
            self._do("restore_page", page=self.trashed.pop(0))
        if number % 7 == 0:
            self.unshared.append(pick(pages))
            self._do("unshare", thing=self.unshared[-1])
        if number % 10 == 0 and self.unshared:
            self._do("share", thing=self.unshared.pop(0))
        if number == 15:
            self._do("delete_block", block=pick(blocks))
            self._do("create_data_source", database=next(iter(truth["data_sources"].values()))["database_id"])

    def _wait(self) -> None:
        self.site.control("clock", advance_seconds=self.rng.randrange(600, 6000))


def in_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, name: str) -> Callable[[], None]:
    """Turns to a home of this name."""
    return lambda: monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / name))


@pytest.mark.long
@pytest.mark.exhaustive
def test_a_month_pulled_live_by_windows_and_at_once_ends_the_same(
    workspace: Start, live: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = workspace(seed=61)
    by_live, windows, at_once = (in_home(monkeypatch, tmp_path, name) for name in ("live", "windows", "at once"))
    start = datetime.fromisoformat(NOW)
    by_live()
    sync()
    live(site, sync)
    month = Month(site, seed=61)
    for number in range(1, DAYS + 1):
        site.control("clock", now=(start + timedelta(days=number - 1)).isoformat())
        month.day(number)
        site.control("clock", now=(start + timedelta(days=number)).isoformat())
        if number == OUTAGE:
            site.control("fault", kind="status", status=503, count=http.ATTEMPTS, path="/notion/")
            with pytest.raises(ImpulsumError) as down:
                live_sync(by_live)
            assert down.value.category is Category.SOURCE_OUTAGE
        elif number % EVERY == 0:
            live_sync(by_live, census=number % (3 * EVERY) == 0)
        if number % SPAN == 0:
            windows()
            end = start + timedelta(days=number)
            sync(window=Window(end - timedelta(days=SPAN) if number > SPAN else start - timedelta(days=900), end))
    live_sync(by_live, census=True)
    notion.prove(site.control("notion/truth"))
    of_live = everything()
    windows()
    sync(census=True)
    assert differences(site) == {}
    of_windows = everything()
    at_once()
    sync()
    assert differences(site) == {}
    alive = {table: rows_alive(rows) for table, rows in everything().items()}
    assert {table: rows_alive(rows) for table, rows in of_live.items()} == alive
    assert {table: rows_alive(rows) for table, rows in of_windows.items()} == alive


def live_sync(home: Callable[[], None], **arguments: Any) -> None:
    """A live pull into a home."""
    home()
    sync(**arguments)


def rows_alive(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows that are neither deleted nor unreachable; those two columns are the last."""
    return [row for row in rows if row[-2:] == (False, False)]
