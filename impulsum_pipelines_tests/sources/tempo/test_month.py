"""Thirty days of work, mistakes and an outage: pulled live, by daily windows, and once, they give the same rows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.live import Live
from impulsum_pipelines_tests.sources.tempo.support import Do, alive, door, everything, sync, tempo, wrong

pytestmark = pytest.mark.usefixtures("high_limit")

START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 30
#: Days on which something happens; on the day of the outage nothing is pulled.
BUSY, OUTAGE = range(0, DAYS, 3), 15


def work(do: Do, chance: random.Random) -> None:
    """What people do on one day: log hours of today and of last week, correct them, delete mistakes."""
    truth = do("truth")
    worklogs = sorted(map(int, truth["worklogs"]))
    issues = sorted({columns["issue_id"] for columns in truth["worklogs"].values()})
    for _ in range(4):
        late = chance.choice((0, 0, 1, 7, 35))
        do(
            "log",
            issue=chance.choice(issues),
            person=chance.randrange(6),
            seconds=900 * chance.randint(1, 20),
            days_ago=late,
        )
    edited, moved, redated, *gone = chance.sample(worklogs, 5)
    do("edit", worklog=edited, seconds=900 * chance.randint(1, 30), description="corrected")
    do("move", worklog=moved, issue=chance.choice(issues))
    do("move", worklog=redated, start_date=f"2026-{chance.randint(6, 11):02}-1{chance.randrange(10)}")
    for worklog in gone:
        do("delete", worklog=worklog)
    do("plan", issue=chance.choice(issues), person=chance.randrange(6), days=chance.randint(1, 5))
    do("edit_plan", plan=chance.choice(sorted(truth["plans"])), seconds_per_day=chance.choice((3_600, 7_200)))
    do("delete_plan", plan=min(map(int, truth["plans"])))
    team = min(map(int, truth["teams"]))
    match chance.randrange(3):
        case 0:
            do("add_team_member", team=team, person=chance.randrange(6))
        case 1:
            do("end_membership", membership=min(map(int, truth["team_members"])))
        case _:
            do("remove_team_member", membership=max(map(int, truth["team_members"])))


@pytest.mark.long
@pytest.mark.exhaustive
def test_a_month_pulled_live_by_windows_and_once_gives_the_same_rows(
    sandbox: SandboxFactory, live: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = sandbox(seed=61, issues=60, now=START.isoformat())
    do, chance = door(site), random.Random(61)
    by_live, windows, once = (str(tmp_path / name) for name in ("live", "windows", "once"))
    monkeypatch.setenv("IMPULSUM_HOME", by_live)
    sync()
    monkeypatch.setenv("IMPULSUM_HOME", windows)
    # The three homes are on one machine, so they share the count of requests to Tempo.
    monkeypatch.setattr(Home, "limits", property(lambda home: tmp_path / "limits"))
    sync(window=Window(datetime(2010, 1, 1, tzinfo=UTC), START))
    monkeypatch.setenv("IMPULSUM_HOME", by_live)
    live(site, sync)
    for number in BUSY:
        site.control("clock", now=(START + timedelta(days=number, hours=chance.randint(8, 17))).isoformat())
        work(do, chance)
        if number == OUTAGE:
            site.control("fault", kind="status", status=503, count=http.ATTEMPTS, path="/tempo/")
            with pytest.raises(ImpulsumError) as outage:
                sync()
            assert outage.value.category is Category.SOURCE_OUTAGE
        else:
            sync()
        close(monkeypatch, windows, max(number - 3, 0), number)
        monkeypatch.setenv("IMPULSUM_HOME", by_live)
    do("close_account", account="INTERNAL")
    site.control("clock", now=(START + timedelta(days=DAYS, hours=3)).isoformat())
    site.control("clock", freeze=True)
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    sync()
    tempo.prove(do("truth"))
    pulled_live = living()

    close(monkeypatch, windows, max(BUSY), DAYS)
    sync(tables=["accounts", "teams", "team_members", "workload_schemes", "workload_scheme_members"])
    assert wrong(site) == {}
    by_windows = living()

    monkeypatch.setenv("IMPULSUM_HOME", once)
    sync()
    assert wrong(site) == {}
    assert pulled_live == by_windows == living()
    assert do("limits") == {"refused": 0}


def close(monkeypatch: pytest.MonkeyPatch, home: str, first: int, last: int) -> None:
    """Pull closed days, each as its own window."""
    monkeypatch.setenv("IMPULSUM_HOME", home)
    for number in range(first, last):
        start = START + timedelta(days=number)
        sync(window=Window(start, start + timedelta(days=1)))


def living() -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that exists at the source."""
    return {name: [row for row in rows if row[0] in alive(name)] for name, rows in everything().items()}
