"""A week in which webhooks are lost, Jira is down for a night and the daemon stops for two days (`make week`).

The machine follows its schedules, in a time that the test moves. At the end everything is stored, the gaps were
reported, polling was faster while webhooks were silent, and alerts said so.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import time_machine

from impulsum_pipelines.automation.sensors import inbox
from impulsum_pipelines.base import failing
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.closed_days import closing
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.end_to_end.machine import Machine
from impulsum_pipelines_tests.end_to_end.people import People
from impulsum_pipelines_tests.sources.pulls import BOOKKEEPING, Pulls

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
jira = Pulls("jira")
sync = jira.sync


def at(day: int, hour: float) -> datetime:
    """An instant of the week; its Monday is day 0."""
    return MONDAY + timedelta(days=day, hours=hour)


LOST = (at(1, 8), at(1, 14))
DOWN = (at(2, 18), at(3, 9.5))
STOPPED = (at(3, 12), at(5, 12))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    monkeypatch.setattr(http, "BACKOFF", 0)
    monkeypatch.setattr(failing, "RETRIES", 0)
    monkeypatch.setattr(inbox, "_wait_for_watcher", inbox._process_once)  # waiting makes no sense in moved time
    with time_machine.travel(MONDAY, tick=True) as traveller:
        yield traveller


@pytest.mark.long
@pytest.mark.exhaustive
def test_a_week_of_trouble_ends_with_everything_stored_and_reported(
    clock: time_machine.Traveller,
    sandbox: SandboxFactory,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    site = sandbox(seed=5, issues=60, now=MONDAY.isoformat())
    for name in site.env:
        if not name.startswith("JIRA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IMPULSUM_BUSINESS_HOURS", "8-16")
    people = People(site, random.Random(5), lambda moment: not within(moment, LOST))
    sync()
    machine = Machine(instance, clock)
    happenings: list[tuple[datetime, Callable[[], Any]]] = [
        *((moment, people.change_something) for moment in people.moments(at(0, 0.1), at(7, 0))),
        (DOWN[0], lambda: site.control("fault", kind="status", count=1_000_000)),
        (DOWN[1], lambda: site.control("clear_faults")),
        *((moment, lambda: None) for moment in STOPPED),
    ]
    for moment, happens in sorted(happenings, key=lambda happening: happening[0]):
        if STOPPED[0] < moment <= STOPPED[1]:
            clock.move_to(moment)  # nothing ticks; the receiver still writes drop files
        else:
            machine.work(moment)
        happens()
    machine.work(at(7, 10))
    alerts, missed, waiting = stored_state(load_settings())
    show(machine, people, alerts, missed)

    [silent] = [alert for alert in alerts if alert.key == "webhooks:silent:jira"]
    assert within(silent.opened_at, LOST), "the fallback started while webhooks were lost"
    assert silent.resolved_at and silent.resolved_at < at(2, 0), "and ended when they arrived again"
    faster = [ran.at for ran in machine.ran if ran.started_by == "jira_fallback" and ran.success]
    assert faster and all(silent.opened_at <= moment <= silent.resolved_at for moment in faster)
    assert any(within(gap.from_at, LOST) for gap in missed), "the missed range is reported"
    assert all(gap.status == "backfilled" for gap in missed)
    assert any(not ran.success and within(ran.at, DOWN) for ran in machine.ran), "it was down"
    [stale] = [alert for alert in alerts if alert.kind == "freshness" and within(alert.opened_at, DOWN)]
    assert stale.resolved_at and stale.resolved_at < STOPPED[0], stale.title
    filled = [ran for ran in machine.ran if ran.started_by == "catch_up" and ran.success]
    assert filled, "what the nightly close missed was filled"
    with Home.of(load_settings()).read_raw("jira") as connection:
        assert connection is not None
        assert not closing(connection, "jira", datetime.now(UTC), load_settings()).never_closed
    assert not waiting, "every drop file is processed, and a pull has shown every event"

    gone = {row for (row,) in jira.held("select id from raw.issues where deleted_at is not null")}
    assert people.deleted <= gone
    stored = rows()
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "fresh"))
    sync()
    assert rows() == stored, "after the week the raw file has the same rows as a first pull"


def within(moment: datetime, span: tuple[datetime, datetime]) -> bool:
    return span[0] <= moment < span[1]


def rows() -> dict[str, list[tuple[Any, ...]]]:
    """The rows that are alive, by table, without the metadata columns.

    Changes and worklogs of a deleted issue are left out: only the issue itself is marked as deleted.
    """
    alive, found = "deleted_at is null and unreachable_since is null", {}
    for table in tables("jira"):
        names = [column.name for column in table.all_columns if column.name not in BOOKKEEPING]
        of_alive = f"issue_id in (select id from raw.issues where {alive})" if "issue_id" in names else "true"
        found[table.name] = jira.held(
            f"select {', '.join(names)} from raw.{table.name} where {alive} and {of_alive} order by id"
        )
    return found


def stored_state(settings: Settings) -> tuple[Sequence[Any], Sequence[Any], int]:
    """The alerts, the missed ranges, and how many events and drop files are unfinished."""
    with transaction(settings) as connection:
        alerts = connection.execute(sa.select(schema.alerts).order_by(schema.alerts.c.opened_at)).all()
        missed = connection.execute(sa.select(schema.missed_ranges)).all()
        unseen = sa.select(sa.func.count()).where(schema.events.c.seen_by.is_(None))
        left = int(connection.execute(unseen).scalar_one())
    return alerts, missed, left + len(dropfiles.waiting(Home.of(settings), 10))


def show(machine: Machine, people: People, alerts: Sequence[Any], missed: Sequence[Any]) -> None:
    """Print the week for people: ``make week``."""
    regular = ("jira_fallback", "jira_live")
    lines = [
        f"{ran.at:%a %H:%M}  {ran.started_by:15} {ran.job:12} {ran.partition:26} {'done' if ran.success else 'FAILED'}"
        for ran in machine.ran
        if ran.started_by not in regular or not ran.success
    ]
    lines += [f"{sum(ran.started_by == name for ran in machine.ran):4} runs of {name}" for name in regular]
    for alert in alerts:
        ended = f"{alert.resolved_at:%a %H:%M}" if alert.resolved_at else "now"
        lines.append(f"{alert.opened_at:%a %H:%M} to {ended}  [{alert.priority}] {alert.kind}: {alert.title}")
    lines += [
        f"{gap.from_at:%a %H:%M} to {gap.to_at:%a %H:%M}  {gap.changes} missed ({gap.what}): {gap.status}, {gap.note}"
        for gap in missed
    ]
    lines.append(f"{people.changes} changes, {len(people.deleted)} issues deleted")
    sys.stdout.write("\n".join([*lines, ""]))
