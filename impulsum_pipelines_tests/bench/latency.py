"""``make latency``: how long a drop file waits to be committed, under ``dagster dev`` with all schedules on.

Files come at random moments, most of them ordinary and some urgent, so that pulls start, too. Prints percentiles of
the time from the producer's clock to the commit; exits with 1 when p50 is over 0.5 s or p99 over 5 s.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from impulsum_pipelines import deploy
from impulsum_pipelines.files import Home
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.sandbox.jira.generator import generate
from impulsum_pipelines.sandbox.server import running
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.webhooks import dropfiles

ROOT = Path(__file__).parents[2]
P50, P99 = 0.5, 5.0
#: One event in so many is urgent.
URGENT_EVERY = 25


def body(number: int) -> dict[str, Any]:
    """A new issue, as Jira tells of it."""
    return {
        "timestamp": int(time.time() * 1000),
        "webhookEvent": "jira:issue_created",
        "user": {"accountId": "5cf", "accountType": "atlassian"},
        "issue": {
            "id": str(number),
            "key": f"ATLAS-{number}",
            "fields": {
                "summary": "Measured",
                "status": {"name": "To Do", "statusCategory": {"key": "new"}},
                "priority": {"name": "Medium" if number % URGENT_EVERY else "Highest"},
            },
        },
    }


def measure(settings: Settings, events: int, seconds: float) -> list[float]:
    """Drop that many files in about so many seconds; how long each took to its commit, s."""
    chance, home = random.Random(1), Home.of(settings)
    for number in range(1, events + 1):
        dropfiles.write(home, "jira", orjson.dumps(body(number)), headers={}, delivery=f"measured-{number}")
        time.sleep(chance.expovariate(events / seconds))
    until = time.monotonic() + 60
    while dropfiles.waiting(home, 1) and time.monotonic() < until:
        time.sleep(0.5)
    with transaction(settings) as connection:
        rows = connection.execute(sa.select(schema.events.c.received_at, schema.events.c.committed_at)).all()
    assert len(rows) == events, f"{len(rows)} of {events} events are committed"
    return sorted((committed - received).total_seconds() for received, committed in rows)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=120)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = generate(seed=1, issues=200, now=datetime.now(UTC))
        with running(world) as site:
            os.environ |= site.env | {"IMPULSUM_HOME": f"{folder}/home", "DAGSTER_DISABLE_TELEMETRY": "1"}
            config = deploy.install(Path(folder) / "home" / "dagster")
            os.environ["DAGSTER_HOME"] = str(config.parent)
            settings = load_settings()
            command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", "0", "-w", "workspace.yaml"]
            with (
                (Path(folder) / "dagster.log").open("w") as log,
                subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True) as dagster,
            ):
                try:
                    _until_it_watches(settings)
                    waits = measure(settings, asked.events, asked.seconds)
                finally:
                    with suppress(ProcessLookupError):
                        os.killpg(dagster.pid, signal.SIGINT)
                        time.sleep(5)
                        os.killpg(dagster.pid, signal.SIGKILL)
    percent = statistics.quantiles(waits, n=100)
    shown = {"p50": percent[49], "p95": percent[94], "p99": percent[98], "max": waits[-1]}
    told = ", ".join(f"{name} {value:.3f}" for name, value in shown.items())
    sys.stdout.write(f"{len(waits)} drop files, seconds to the commit: {told}\n")
    return 0 if shown["p50"] < P50 and shown["p99"] < P99 else 1


def _until_it_watches(settings: Settings) -> None:
    """Until a first file is gone: the code location is loaded, and the sensor's daemon ticks."""
    first = dropfiles.write(Home.of(settings), "jira", orjson.dumps(body(0) | {"issue": {}}), headers={}, delivery="0")
    until = time.monotonic() + 180
    while first.exists():
        assert time.monotonic() < until, "the inbox sensor does not tick"
        time.sleep(0.2)
    with transaction(settings) as connection:
        connection.execute(sa.delete(schema.events))


if __name__ == "__main__":
    sys.exit(main())
