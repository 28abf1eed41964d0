"""``make storm``: 10,000 drop files at once, processed while daemon and code server are killed again and again.

Both run as on a server, each in its own process. Ten times before the inbox is empty, one of them is killed with
kill -9 at a random moment and started again. Then everything is counted: each good event is stored once, each bad file
is in ``failed`` with its reason, each incident has one alert, and a local webhook received each message once. Only
messages that were being sent when their process was killed may arrive twice: ``alerts/outbox.py`` says why. Exits with
1 when anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa
import yaml
from rich.console import Console
from rich.table import Table

from impulsum_pipelines import deploy
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.alerts.sinks import Webhook
from impulsum_pipelines_tests.bench.dagster_dev import ROOT, free_port
from impulsum_pipelines_tests.postgres import postgres
from impulsum_pipelines_tests.webhooks.events.storm import Storm, drop_at_once
from impulsum_pipelines_tests.webhooks.events.storm_outcome import (
    find_errors,
    notification_errors,
    pending_notifications,
)

#: Seconds without progress, in files or messages, after which the bench gives up.
PATIENCE = 180
console = Console()


@dataclass
class Server:
    """A process that is killed with its children, and started again."""

    name: str
    command: list[str]
    log: Path
    kills: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("a") as log:
            self._process = subprocess.Popen(self.command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self.kills += 1


def main() -> int:
    """Run the storm, print the counts, and return 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", action="store_true", help="for Dagster and the ops store, instead of SQLite")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="impulsum-storm-")))
        sink = stack.enter_context(Webhook())
        _point_at(folder, sink.address)
        if asked.postgresql:
            _point_at_postgres(stack)
        settings = load_settings()
        storm = drop_at_once(settings, folder / "outside", files=asked.files, seed=asked.seed)
        servers = stack.enter_context(_running(folder))
        incoming = Home.of(settings).inbox / "incoming"
        for left in [*sorted(chance.sample(range(1, asked.files), asked.kills), reverse=True), 0]:
            _until(lambda: sum(1 for _ in incoming.iterdir()), left, every=0.05)
            if left:
                victim = chance.choice(servers)
                victim.kill()
                victim.start()
        _until(lambda: pending_notifications(settings), 0, every=1)
        wrong = [*find_errors(settings, storm), *notification_errors(settings, sink.ids)]
        repeats = len(sink.ids) - len(set(sink.ids))
        if repeats > asked.kills:
            wrong.append(f"{repeats} messages were sent again, more than were being sent when a process was killed")
        kills = ", ".join(f"{server.name} {server.kills}" for server in servers)
        console.print(_table(storm, settings, {"kills": kills, "messages": len(sink.ids), "of them repeated": repeats}))
    for what in wrong:
        console.print(f"NOT  {what}", highlight=False)
    console.print("ok   nothing lost, nothing twice" if not wrong else f"{len(wrong)} errors")
    return 1 if wrong else 0


def _point_at(folder: Path, channel: str) -> None:
    """Set the environment of all processes: no source, so nothing is pulled, and every alert is sent at once."""
    for name in [
        name for name in os.environ if name.startswith(tuple(f"{source.name.upper()}_" for source in SOURCES))
    ]:
        del os.environ[name]
    os.environ |= {
        "IMPULSUM_HOME": str(folder / "home"),
        "IMPULSUM_ALERT_CHANNELS": channel,
        "IMPULSUM_WAKING_HOURS": "0-24",
        "IMPULSUM_QUIET_HOURS": "none",
        "IMPULSUM_SETTLE_MINUTES": "0",
        "IMPULSUM_ESCALATION_MINUTES": "10000",
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }


def _point_at_postgres(stack: ExitStack) -> None:
    server = stack.enter_context(postgres())
    os.environ["IMPULSUM_OPS_URL"] = stack.enter_context(server.database())
    os.environ["DAGSTER_POSTGRES_URL"] = stack.enter_context(server.database())
    os.environ["PGTZ"] = "UTC"


@contextmanager
def _running(folder: Path) -> Iterator[tuple[Server, Server]]:
    config = deploy.install(folder / "home" / "dagster")
    os.environ["DAGSTER_HOME"] = str(config.parent)
    port = free_port()
    workspace = folder / "workspace.yaml"
    where = {"host": "127.0.0.1", "port": port, "location_name": "impulsum"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": where}]}))
    dagster = [sys.executable, "-m", "dagster"]
    code = [
        *dagster,
        "code-server",
        "start",
        "-m",
        "impulsum_pipelines.definitions",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    daemon = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)]
    servers = Server("code server", code, folder / "code.log"), Server("daemon", daemon, folder / "daemon.log")
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.kill()


def _until(left: Callable[[], int], target: int, *, every: float) -> None:
    """Wait until so few are left."""
    least, since = sys.maxsize, time.monotonic()
    while (now := left()) > target:
        if now < least:
            least, since = now, time.monotonic()
        if time.monotonic() - since > PATIENCE:
            raise TimeoutError(f"{now} are left, and none was processed for {PATIENCE} s")
        time.sleep(every)


def _table(storm: Storm, settings: Settings, more: dict[str, object]) -> Table:
    with transaction(settings) as connection:
        moments: list[datetime] = list(
            connection.execute(sa.select(schema.events.c.committed_at).order_by(schema.events.c.id)).scalars()
        )
        states = sa.select(schema.alerts.c.state, sa.func.count()).group_by(schema.alerts.c.state)
        alerts = ", ".join(f"{state} {count}" for state, count in connection.execute(states))
    seconds = (moments[-1] - moments[0]).total_seconds()
    idle = sum(gap for one, other in pairwise(moments) if (gap := (other - one).total_seconds()) > 1)
    rows = {
        "files": len(storm.good) + len(storm.bad),
        "of them malformed": len(storm.bad),
        "of them delivered again": len(storm.good) - len(storm.events),
        "events": len(moments),
        "seconds from the first commit to the last": round(seconds, 1),
        "of them idle": round(idle, 1),
        "events/s": round(len(moments) / seconds),
        "events/s without the idle time": round(len(moments) / (seconds - idle)),
        "alerts": alerts,
        **more,
    }
    table = Table(box=None, show_header=False)
    for name, value in rows.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    return table


if __name__ == "__main__":
    sys.exit(main())
