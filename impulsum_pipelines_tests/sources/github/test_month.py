"""A month of edits, late arrivals, deletions and an outage: pulled live, by daily windows, and once from nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines_tests.sources.github.conftest import GitHub, StartGitHub
from impulsum_pipelines_tests.sources.live import Live

START = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
#: Days on which something happens; the others are skipped by the clock, and their windows are empty.
DAYS = (0, 2, 4, 5, 7, 9, 12, 13, 14, 17, 20, 23, 26, 29)
DOWN = (5, 7)
REPOSITORIES = ("platform", "mobile", "operations")


class Month:
    """What a team does in a month, from a seed; ids that are needed later are remembered."""

    def __init__(self, hub: GitHub, seed: int) -> None:
        self.hub = hub
        self.rng = Random(seed)
        self.open: list[tuple[str, int]] = []
        self.issues: list[tuple[str, int]] = []
        self.comments: list[int] = []
        self.runs: list[int] = []
        self.going: list[int] = []
        self.deployed: list[int] = []

    def day(self, number: int) -> None:
        """One day's work: several verbs at several hours."""
        hub, rng = self.hub, self.rng
        home = REPOSITORIES[number % 3]
        title = f"ATLAS-{number} day {number}"
        made = hub.do("open_pull_request", repository=home, title=title, commits=1 + number % 3)
        self.open.append((home, made["number"]))
        hub.later(3600)
        if number % 2:
            review = hub.do("review", repository=home, number=made["number"], state="COMMENTED", line=f"line {number}")
            self.comments.append(review["comment"])
        self.comments.append(hub.do("comment", repository=home, number=made["number"], text=f"day {number}")["id"])
        hub.do("push", repository=home, pull=made["number"])
        hub.later(3600)
        if number % 2 == 0:
            self.issues.append((home, hub.do("create_issue", repository=home, title=f"report {number}")["number"]))
        if number % 3 == 0:
            late = START + timedelta(days=number - 20 if number > 3 else number + 90)  # long ago, or in the future
            hub.do("push", repository=home, dated=late.isoformat())
        if number in (5, 17, 20):
            hub.do("force_push", repository=home, pull=made["number"])
        if number in (9, 29):
            hub.do("force_push", repository=home)
        if number % 2 == 0 and len(self.open) > 2:
            repository, merged = self.open.pop(rng.randrange(len(self.open) - 1))
            hub.do("review", repository=repository, number=merged)
            hub.do("merge", repository=repository, number=merged, method=("squash", "merge", "rebase")[number % 3])
            self.deployed.append(hub.do("deploy", repository=repository, environment="production")["id"])
        hub.later(3600)
        self._afterwards(number, home)
        hub.site.control("clock", now=(START + timedelta(days=number + 1, minutes=5)).isoformat())

    def _afterwards(self, number: int, home: str) -> None:
        """Late things: edits, ends, re-runs, deletions."""
        hub, rng = self.hub, self.rng
        self.going.append(hub.do("run_workflow", repository=home, conclusion=None)["id"])
        if len(self.going) > 2:
            run = self.going.pop(0)
            hub.do("finish_run", run=run, conclusion=rng.choice(("success", "failure")))
            self.runs.append(run)
        if number % 6 == 5:
            hub.do("rerun", run=self.runs[0])
        if number % 4 == 2:
            hub.do("edit_comment", comment=rng.choice(self.comments), text=f"edited on day {number}")
        if len(self.deployed) > 1:
            hub.do("deployment_status", deployment=self.deployed.pop(0), state=rng.choice(("success", "failure")))
        if number in (4, 13, 23):
            hub.do("delete_comment", comment=self.comments.pop(0))
        if number == 12:
            home, issue = self.issues.pop(0)
            hub.do("transfer_issue", repository=home, number=issue, to="operations")
        if number == 17:
            home, issue = self.issues.pop(0)
            hub.do("delete_issue", repository=home, number=issue)
        if number % 8 == 7:
            hub.do("release", repository=home, tag=f"v2.{number}.0")
        if number == 14:
            hub.do("rename_repository", repository="mobile", name="mobile-app")
            hub.do("rename_repository", repository="mobile-app", name="mobile")
        if number == 20:
            hub.do("delete_run", run=self.runs.pop(0))


@pytest.mark.long
@pytest.mark.exhaustive
def test_a_month_ends_with_the_truth_however_it_was_pulled(
    github: StartGitHub, live: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    hub = github(seed=5, now=START.isoformat(), issues=24, every=True)
    hub.do("limits", primary=1_000_000)  # a month of the schedule passes within the limit's hour
    month = Month(hub, 5)
    hub.sync()
    by_windows = tmp_path / "windows"
    monkeypatch.setenv("IMPULSUM_HOME", str(by_windows))
    hub.sync()
    by_live = tmp_path / "home"
    monkeypatch.setenv("IMPULSUM_HOME", str(by_live))
    live(hub.site, hub.sync)
    for number in DAYS:
        monkeypatch.setenv("IMPULSUM_HOME", str(by_live))
        month.day(number)
        if number in DOWN:
            hub.fault("/github/", kind="status", status=503, count=http.ATTEMPTS)
            with pytest.raises(ImpulsumError, match="answered 503"):
                hub.sync()
        else:
            hub.sync()
        monkeypatch.setenv("IMPULSUM_HOME", str(by_windows))
        day = START + timedelta(days=number)
        hub.sync(window=Window(day, day + timedelta(days=1)))
    monkeypatch.setenv("IMPULSUM_HOME", str(by_live))
    assert all(found.keys() <= {"surplus"} for found in hub.differences().values()), "all but what is gone"
    hub.sync(census=True)
    hub.pulls.prove(hub.do("truth"))
    everything = _alive(hub)
    monkeypatch.setenv("IMPULSUM_HOME", str(by_windows))
    hub.sync(window=Window(day, day + timedelta(days=1)), census=True)
    assert {k: v for k, v in hub.differences().items() if k not in ("repositories", "releases")} == {}
    hub.sync()
    assert hub.differences() == {}
    assert _alive(hub) == everything
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "once"))
    hub.sync()
    assert hub.differences() == {}
    assert _alive(hub) == everything
    assert hub.refused == 0


#: Columns that differ between two reads of the same thing.
_PASSING = {"payload", "row_hash", "sync_id", "extracted_at", "deleted_at", "unreachable_since", "site"}


def _alive(hub: GitHub) -> dict[str, list[tuple[object, ...]]]:
    """Every alive row by its own columns: copies of other things in the payload are as old as the read."""
    from impulsum_pipelines.sources.registry import tables

    alive = "deleted_at is null and unreachable_since is null"
    return {
        table.name: hub.held(
            f"select {', '.join(c.name for c in table.all_columns if c.name not in _PASSING)} "
            f"from raw.{table.name} where {alive} order by id"
        )
        for table in tables("github")
    }
