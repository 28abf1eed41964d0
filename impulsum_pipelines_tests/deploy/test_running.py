"""The services of a server, started from their units, with a real PostgreSQL: from a webhook to a pull and an alert.

Only paths, ports and the environment differ from the units. Without systemd, the test runs the commands of a unit in
their order, and stops a unit as systemd does: by a signal to all of its processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import pytest
import requests
import sqlalchemy as sa

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS
from impulsum_pipelines_tests.alerts.sinks import Webhook
from impulsum_pipelines_tests.bench.dagster_dev import free_port
from impulsum_pipelines_tests.bench.latency import body
from impulsum_pipelines_tests.deploy.services import DEPLOY, Service, example, services

pytestmark = [pytest.mark.exhaustive, pytest.mark.long]

ROOT = DEPLOY.parents[1]
SECRET = "It's a Secret to Everybody"
_LOCATIONS = """
query { workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }
"""


@dataclass
class Unit:
    """A service that runs, or ran.

    Args:
        service: its unit.
        paths: replacements for paths and ports in its commands.
        log: file for its output.
    """

    service: Service
    paths: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it as ``systemctl start`` does; returns when the service counts as started."""
        shared = dict(pair.split("=") for line in self.service.settings["Service.Environment"] for pair in line.split())
        environment = {**os.environ, **shared}
        with self.log.open("a") as log:
            run: dict[str, Any] = {"cwd": ROOT, "env": environment, "stdout": log, "stderr": log}
            if before := self._command("ExecStartPre"):
                subprocess.run(before, check=True, **run)
            self.process = subprocess.Popen(self._command("ExecStart") or [], start_new_session=True, **run)
            if after := self._command("ExecStartPost"):
                subprocess.run(after, check=True, timeout=int(self.service.value("TimeoutStartSec")), **run)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it as ``systemctl stop`` does, or with kill -9; fails when a process outlives the unit's timeout."""
        process, self.process = self.process, None
        if process is None:
            return
        os.killpg(process.pid, how)
        timeout = int(self.service.value("TimeoutStopSec"))
        try:
            process.wait(timeout)
            _until(lambda: not _is_alive(process.pid), timeout, f"{self.service.name} has ended with all its processes")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _command(self, key: str) -> list[str] | None:
        return self.service.command(key, self.paths)


@dataclass
class Server:
    """All services, and their addresses."""

    units: dict[str, Unit]
    ui: str
    receiver: str

    def deliver(self, number: int, issue: tuple[str, str], **fields: Any) -> None:
        """Post a signed webhook of Jira."""
        content = orjson.dumps(body(number, issue, **fields))
        signature = VENDORS["jira"].scheme.sign(SECRET, content, datetime.now(UTC))
        answer = requests.post(f"{self.receiver}/webhooks/jira", data=content, headers=signature, timeout=30)
        assert answer.status_code == 200, answer.text


@pytest.fixture
def alerted() -> Iterator[Webhook]:
    with Webhook() as sink:
        yield sink


@pytest.fixture
def site(sandbox: Callable[..., Running]) -> Running:
    return sandbox(issues=60)


@pytest.fixture
def server(
    site: Running, alerted: Webhook, postgres_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """All services, started in order and stopped in reverse order."""
    with ExitStack() as stack:
        for name in site.env:  # five sources are off, to leave the machine to this one
            if not name.startswith("JIRA_"):
                monkeypatch.delenv(name)
        own = {
            "IMPULSUM_HOME": str(tmp_path / "home"),
            "DAGSTER_HOME": str(tmp_path / "home" / "dagster"),
            "IMPULSUM_OPS_URL": stack.enter_context(postgres_server.database()),
            "DAGSTER_POSTGRES_URL": stack.enter_context(postgres_server.database()),
            "IMPULSUM_ALERT_CHANNELS": alerted.address,
            "JIRA_WEBHOOK_SECRET": SECRET,
        }
        for name, value in {**example(), **own}.items():
            monkeypatch.setenv(name, value)
        ports = {port: str(free_port()) for port in ("4266", "3000", "8780")}
        workspace = tmp_path / "workspace.yaml"
        workspace.write_text((DEPLOY / "workspace.yaml").read_text().replace("4266", ports["4266"]))
        paths = {
            **ports,
            "/opt/impulsum/impulsum_pipelines/deploy/workspace.yaml": str(workspace),
            "/opt/impulsum/.venv/bin": str(Path(sys.executable).parent),
        }
        units = {service.name: Unit(service, paths, tmp_path / f"{service.name}.log") for service in services()}
        for unit in units.values():
            stack.callback(unit.stop)
            unit.start()
        ui, receiver = (f"http://127.0.0.1:{ports[port]}" for port in ("3000", "8780"))
        _until(lambda: _answers(f"{receiver}/health"), 60, "the receiver answers")
        _until(lambda: _answers(f"{ui}/server_info"), 120, "the webserver answers")
        yield Server(units, ui, receiver)


def test_a_webhook_raises_an_alert_and_starts_a_pull_which_is_repeated_when_the_code_server_ends(
    server: Server, site: Running, alerted: Webhook
) -> None:
    settings = load_settings()
    issue = next(str(issue) for ids in site.control("ids").values() for issue in ids)
    edited = site.control("edit_issue", issue=issue, summary="Down.")
    pulled = Pulls((str(edited["id"]), edited["key"]), server, site)
    assert _location(server) == "RepositoryLocation"
    with dg.DagsterInstance.get() as instance:
        assert "Postgres" in type(instance.run_storage).__name__

        first = pulled.start(instance)
        [made] = instance.get_run_records(dg.RunsFilter(run_ids=[first]))
        assert abs(datetime.now(UTC) - made.create_timestamp) < timedelta(hours=1), "in UTC, although the server is not"
        _until(lambda: bool(alerted.taken), 90, "the alert is delivered")
        with transaction(settings) as connection:
            assert connection.dialect.name == "postgresql"
            assert connection.execute(sa.select(sa.func.count()).select_from(schema.events)).scalar_one() == 1
            assert connection.execute(sa.select(schema.alerts.c.priority)).scalars().all() == ["P0"]
        _until_it_is(instance, first, dg.DagsterRunStatus.SUCCESS)
        with Home.of(settings).read_raw("jira") as connection:
            assert connection is not None
            summaries = connection.execute("select summary from raw.issues where id = ?", [pulled.issue[0]]).fetchall()
        assert summaries == [("Down.",)]

        assert "interrupted unexpectedly" in pulled.repeated_after(instance, signal.SIGTERM)
        assert "ended with its code server" in pulled.repeated_after(instance, signal.SIGKILL)

    for name in reversed(server.units):
        server.units[name].stop()


@dataclass
class Pulls:
    """Pulls of Jira that webhooks about one issue start."""

    issue: tuple[str, str]
    server: Server
    site: Running
    number: int = 0

    def start(self, instance: dg.DagsterInstance) -> str:
        """Deliver an urgent webhook; returns the id of the run that it started."""
        before = set(self._all(instance))
        self.number += 1
        self.server.deliver(self.number, self.issue, priority={"name": "Highest"}, labels=[f"seen-{self.number}"])
        return self._new(instance, before)

    def repeated_after(self, instance: dg.DagsterInstance, how: signal.Signals) -> str:
        """End the code server during a pull, and wait until that is repeated; returns why it failed, from Dagster."""
        self.site.control("latency", milliseconds=3000)
        ended = self.start(instance)
        _until_it_is(instance, ended, dg.DagsterRunStatus.STARTED)
        known = set(self._all(instance))
        self._restart(how)
        self.site.control("latency", milliseconds=0)
        _until_it_is(instance, ended, dg.DagsterRunStatus.FAILURE)
        again = self._new(instance, known)
        repeated = instance.get_run_by_id(again)
        assert repeated is not None and repeated.parent_run_id == ended
        _until_it_is(instance, again, dg.DagsterRunStatus.SUCCESS)
        (why,) = (event.message for event in instance.all_logs(ended, of_type=dg.DagsterEventType.RUN_FAILURE))
        return why

    def _restart(self, how: signal.Signals) -> None:
        """Restart the code server after a stop or a kill; the daemon restarts with it."""
        code, daemon = self.server.units["impulsum-code"], self.server.units["impulsum-daemon"]
        assert "impulsum-code.service" in daemon.service.settings["Unit.PartOf"]
        for unit in (daemon, code) if how is signal.SIGTERM else (code, daemon):
            unit.stop(how if unit is code else signal.SIGTERM)
        code.start()
        daemon.start()

    def _new(self, instance: dg.DagsterInstance, before: set[str]) -> str:
        _until(lambda: set(self._all(instance)) > before, 90, "there is a pull")
        return next(run_id for run_id in self._all(instance) if run_id not in before)

    def _all(self, instance: dg.DagsterInstance) -> list[str]:
        return [run.run_id for run in instance.get_runs(dg.RunsFilter(job_name="jira_sync"))]


def _location(server: Server) -> str:
    """Type of the code location that the webserver shows: the location, or an error."""
    answer = requests.post(f"{server.ui}/graphql", json={"query": _LOCATIONS}, timeout=60).json()
    (location,) = answer["data"]["workspaceOrError"]["locationEntries"]
    return str(location["locationOrLoadError"]["__typename"])


def _until_it_is(instance: dg.DagsterInstance, run_id: str, status: dg.DagsterRunStatus) -> None:
    def is_so() -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.status is status

    _until(is_so, 180, f"run {run_id} is {status.name}")


def _answers(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(url, timeout=30).ok
    return False


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{seconds:.0f} s passed before {what}"
        time.sleep(0.2)
