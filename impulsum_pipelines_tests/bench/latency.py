"""``make latency``: how long it takes from a webhook to a stored event, a delivered alert, and a pulled row.

It runs ``dagster dev`` with all schedules on and backfills one after the other, against the sandbox's six services.
Drop files come at random times. Most are ordinary; one in 25 is P0, and its alert goes to a local receiver; one in 25
is P1, about an issue that was edited in the sandbox, which is then pulled. Prints percentiles of the time from the
producer's clock to the commit of event and alert (one transaction), to the arrival of the alert, and to the commit of
the issue's row. Exits with 1 when a bound is not met.

Schedules run in business hours, so the bench uses a time zone in which it is a business hour now. When it is weekend in
every zone, the backfills are the only other load.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.sandbox.server import Running, running_sandbox
from impulsum_pipelines.sandbox.worlds import generate
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines_tests.alerts.sinks import Webhook
from impulsum_pipelines_tests.bench.dagster_dev import backfilling, dagster_dev

#: One event in so many is P0, and one in so many P1.
EVERY = 25
#: Upper bounds in seconds, by percentile.
BOUNDS = {"committed": {50: 0.5, 99: 5.0}, "alerted": {99: 6.0}, "row": {95: 25.0}}
LABELS = {
    "committed": "drop file to event and alert",
    "alerted": "P0 to the receiver of alerts",
    "row": "P1 to the issue's row",
}
console = Console()


@dataclass
class Waits:
    """Seconds from the drop file to each end, and the other load."""

    committed: list[float] = field(default_factory=list)
    alerted: list[float] = field(default_factory=list)
    row: list[float] = field(default_factory=list)
    backfills: int = 0
    scheduled: int = 0


@dataclass(frozen=True)
class _Dropped:
    number: int
    issue: str
    at: datetime


def body(number: int, issue: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """The webhook body of a new issue."""
    common = {
        "summary": f"Measured {number}.",
        "status": {"name": "To Do", "statusCategory": {"key": "new"}},
        "priority": {"name": "Medium"},
    }
    return {
        "timestamp": int(time.time() * 1000),
        "webhookEvent": "jira:issue_created",
        "user": {"accountId": "5cf", "accountType": "atlassian"},
        "issue": {"id": issue[0], "key": issue[1], "fields": common | fields},
    }


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--issues", type=int, default=500, help="issues in the sandbox's Jira")
    parser.add_argument("--days", type=int, default=30, help="closed days that each backfill reads again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Webhook() as sink:
        world = generate(seed=1, issues=asked.issues, now=datetime.now(UTC))
        home = Path(folder) / "home"
        with running_sandbox(world) as site:
            os.environ |= site.env | {
                "IMPULSUM_HOME": str(home),
                "IMPULSUM_TIMEZONE": at_work(datetime.now(UTC)),
                "IMPULSUM_ALERT_CHANNELS": sink.address,
                "DAGSTER_DISABLE_TELEMETRY": "1",
            }
            for source in SOURCES:
                run_load(source.name, load_settings())
            with dagster_dev(home) as ui:
                _until_it_watches(load_settings())
                with backfilling(ui, asked.days) as backfills:
                    waits = measure(load_settings(), site, sink, asked.events, asked.seconds)
                    waits.backfills, waits.scheduled = backfills.ended, _scheduled()
    return _show(waits)


def at_work(now: datetime) -> str:
    """A time zone in which it is a business hour now, but not the last one; UTC if there is none."""
    for east in range(-12, 15):
        local = now + timedelta(hours=east)
        if local.weekday() < 5 and 9 <= local.hour < 16:
            return f"Etc/GMT{-east:+d}"
    return "UTC"


def _scheduled() -> int:
    with dg.DagsterInstance.get() as instance:
        return sum("dagster/schedule_name" in run.tags for run in instance.get_runs())


def measure(settings: Settings, site: Running, sink: Webhook, events: int, seconds: float) -> Waits:
    """Write that many drop files in about so many seconds, and measure the time to each end."""
    chance, home = random.Random(1), Home.of(settings)
    issues: Iterator[str] = iter([issue for ids in site.control("ids").values() for issue in ids])
    urgent: list[_Dropped] = []
    changed: list[_Dropped] = []
    for number in range(1, events + 1):
        fields: dict[str, Any] = {}
        issue = (str(10_000_000 + number), f"MADE-{number}")
        if number % EVERY == 0:
            fields["priority"] = {"name": "Highest"}
        elif number % EVERY == EVERY // 2:
            edited = site.control("edit_issue", issue=next(issues), summary=f"Measured {number}.")
            issue = (str(edited["id"]), edited["key"])
            fields["labels"] = ["escalated"]
        dropped = _Dropped(number, issue[0], datetime.now(UTC))
        dropfiles.write_dropfile(
            home, "jira", orjson.dumps(body(number, issue, **fields)), headers={}, delivery=f"measured-{number}"
        )
        if fields:
            (urgent if "priority" in fields else changed).append(dropped)
        time.sleep(chance.expovariate(events / seconds))
    _wait(lambda: not dropfiles.waiting(home, 1), 60, "every file is committed")
    _wait(lambda: len(sink.taken) >= len(urgent), 60, "every P0 is delivered")
    _wait(lambda: len(_refreshed(home, settings, changed)) == len(changed), 120, "every P1 issue is read again")
    return Waits(_commits(settings, events), _alerted(sink, urgent), _refreshed(home, settings, changed))


def _commits(settings: Settings, events: int) -> list[float]:
    with transaction(settings) as connection:
        columns = schema.events.c.received_at, schema.events.c.committed_at
        rows: list[Any] = list(connection.execute(sa.select(*columns)))
    assert len(rows) == events, f"{len(rows)} of {events} events are committed"
    return [(committed - received).total_seconds() for received, committed in rows]


def _alerted(sink: Webhook, urgent: Sequence[_Dropped]) -> list[float]:
    arrivals: list[Any] = [
        next(message["taken_at"] for message in sink.taken if f"Measured {dropped.number}." in message["title"])
        for dropped in urgent
    ]
    return [(at - dropped.at).total_seconds() for at, dropped in zip(arrivals, urgent, strict=True)]


def _refreshed(home: Home, settings: Settings, changed: Sequence[_Dropped]) -> list[float]:
    """Seconds until the commit of the sync that wrote the edited row, for each issue whose row has the edit."""
    with home.read_raw("jira") as connection:
        assert connection is not None
        found = connection.execute("select summary, sync_id from raw.issues where starts_with(summary, 'Measured')")
        synced = dict(found.fetchall())
    with transaction(settings) as connection:
        ended: dict[Any, Any] = dict(
            connection.execute(sa.select(schema.syncs.c.sync_id, schema.syncs.c.finished_at)).all()
        )
    waits = []
    for dropped in changed:
        at = ended.get(synced.get(f"Measured {dropped.number}."))
        if at is not None:
            waits.append(max(0.0, (at - dropped.at).total_seconds()))
    return waits


def _show(waits: Waits) -> int:
    table = Table("", "count", "p50 s", "p95 s", "p99 s", "max s", "", box=None, header_style="bold")
    all_met = True
    for name, bounds in BOUNDS.items():
        measured: list[float] = getattr(waits, name)
        percent = statistics.quantiles(measured, n=100, method="inclusive")
        is_met = all(percent[which - 1] < bound for which, bound in bounds.items())
        asked = ", ".join(f"p{which} < {bound:g}" for which, bound in bounds.items())
        shown = [f"{value:.3f}" for value in (percent[49], percent[94], percent[98], max(measured))]
        table.add_row(LABELS[name], str(len(measured)), *shown, f"{'ok ' if is_met else 'NOT'} {asked}")
        all_met &= is_met
    console.print(table)
    console.print(f"During this time {waits.backfills} backfills ended, and schedules started {waits.scheduled} runs.")
    return 0 if all_met else 1


def _until_it_watches(settings: Settings) -> None:
    """Wait until a first file is processed: the code location is loaded, and the inbox sensor ticks."""
    content = orjson.dumps(body(0, ("0", "MADE-0")))
    first = dropfiles.write_dropfile(Home.of(settings), "jira", content, headers={}, delivery="0")
    _wait(lambda: not first.exists(), 180, "the inbox sensor ticks")
    with transaction(settings) as connection:
        connection.execute(sa.delete(schema.events))


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"{seconds:.0f} s passed before {what}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
