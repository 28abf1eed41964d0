"""``dagster dev`` as a user starts it, and backfills as the UI starts them, one after the other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from impulsum_pipelines import deploy
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.places import ROOT

_LAUNCH = """
mutation ($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
_STATUS = "query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"


@contextmanager
def dagster_dev(home: Path) -> Iterator[str]:
    """Run it in a new session with its storage in ``home``; yields the address of its UI, and ends its processes."""
    os.environ["DAGSTER_HOME"] = str(deploy.install(home / "dagster").parent)
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"]
    with (
        (home / "dagster.log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            ui = f"http://127.0.0.1:{port}"
            _until_it_answers(ui)
            yield ui
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(5)
                os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """A free port of 127.0.0.1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _until_it_answers(ui: str) -> None:
    until = time.monotonic() + 180
    while True:
        with suppress(requests.ConnectionError):
            if requests.get(f"{ui}/server_info", timeout=60).ok:
                return
        if time.monotonic() > until:
            raise TimeoutError("dagster dev does not answer")
        time.sleep(0.2)


@dataclass
class Backfilling:
    """Backfills that were started and ended.

    Args:
        ui: address of Dagster's UI.
        days: closed days that each backfill reads again.
        ended: number of backfills that completed.
    """

    ui: str
    days: int
    ended: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Start one backfill after the other, source by source, until stopped."""
        turn = 0
        while not self._stop.is_set():
            backfill = self._launch(SOURCES[turn % len(SOURCES)].name)
            turn += 1
            while (status := self._ask(_STATUS, id=backfill)["partitionBackfillOrError"]["status"]) == "REQUESTED":
                if self._stop.wait(1):
                    return
            assert status.startswith("COMPLETED"), f"backfill {backfill} ended as {status}"
            self.ended += 1

    def stop(self) -> None:
        """Start no more."""
        self._stop.set()

    def _launch(self, source: str) -> str:
        today = datetime.now(UTC).date()
        parameters = {
            "assetSelection": [{"path": [source, table.name]} for table in tables(source)],
            "partitionNames": [(today - timedelta(days=back)).isoformat() for back in range(self.days, 0, -1)],
        }
        answer = self._ask(_LAUNCH, parameters=parameters)["launchPartitionBackfill"]
        assert "backfillId" in answer, answer
        return str(answer["backfillId"])

    def _ask(self, query: str, **variables: object) -> dict[str, Any]:
        answer = requests.post(f"{self.ui}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return dict(answer["data"])


@contextmanager
def backfilling(ui: str, days: int) -> Iterator[Backfilling]:
    """Backfills one after the other while the body runs."""
    backfills = Backfilling(ui, days)
    with ThreadPoolExecutor(1, thread_name_prefix="backfills") as pool:
        running = pool.submit(backfills.run)
        try:
            yield backfills
        finally:
            backfills.stop()
        running.result()
