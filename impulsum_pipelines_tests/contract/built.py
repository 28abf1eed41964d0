"""What syncs and a build make: raw and published tables, their rows, files, and exit codes of commands.

The rows come from a sandbox of its own: a fixed seed, a frozen clock, and a fixed name (``sandbox.test``) in place of
its port, so that addresses and everything derived from them are the same each time.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines_tests.conftest import isolate
from impulsum_pipelines_tests.contract import Contract
from impulsum_pipelines_tests.contract.tables import SOURCES, files, published_tables, raw_tables

#: The sandbox: what it is generated from, where its clock stands, and what it is called.
SEED, ISSUES, NOW, HOST = 1, 80, "2024-03-01T12:00:00+00:00", "sandbox.test"
#: What the home is built with, so that zones, working hours and private pages are in the rows, too.
SETTINGS = {
    "IMPULSUM_TIMEZONE": "Europe/Berlin",
    "IMPULSUM_BUSINESS_HOURS": "9-17",
    "NOTION_RESTRICTED": "fffa1fcbe21c48cd94d077e360ea3b5c",
}


class NotBuiltError(Exception):
    """A command that the rest stands on failed."""


def built(folder: Path) -> Contract:
    """The sections of :data:`BUILT`; all state goes to an empty folder.

    Raises:
        NotBuiltError: with what the command said that failed.
    """
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        shell = Shell(patch)
        home = folder / "home"
        with _sandbox(patch, shell) as control:
            _fill(shell, control)
            raw, raw_rows = raw_tables(home)
            published, published_rows = published_tables(home)
            layout = files(home)
            _try_commands(home, folder, shell, control)
    rows = raw_rows | published_rows
    return {"raw": raw, "published": published, "rows": rows, "files": layout, "exit codes": shell.codes}


class Shell:
    """The command line in this process; what Dagster writes down of all runs is kept in memory, which is cheaper.

    Attributes:
        codes: the exit code of each command, by the command with the settings before it.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        import dagster as dg

        self.codes: dict[str, int] = {}
        instance = dg.DagsterInstance.ephemeral()
        patch.setattr(dg.DagsterInstance, "get", lambda: nullcontext(instance))

    def __call__(self, *arguments: str, **settings: str) -> str:
        """What a command printed, once its code is written down; settings in capitals are for this command alone."""
        from impulsum_pipelines.cli import main as impulsum

        said, code = io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
            for name, value in settings.items():
                patch.setenv(name, value)
            try:
                impulsum(arguments)
            except SystemExit as left:
                code = int(left.code or 0)
        command = " ".join(("impulsum", *(f'"{word}"' if " " in word else word for word in arguments)))
        before = "".join(f"{name}={value} " for name, value in settings.items() if name != "IMPULSUM_HOME")
        self.codes[before + command + (" (nothing held)" if "IMPULSUM_HOME" in settings else "")] = code
        return said.getvalue()

    def done(self, *arguments: str) -> str:
        """The same of a command that the rest stands on.

        Raises:
            NotBuiltError: with what it printed, unless it ended with 0.
        """
        said = self(*arguments)
        if code := self.codes[" ".join(("impulsum", *arguments))]:
            raise NotBuiltError(f"impulsum {' '.join(arguments)} ended with {code}: {said}")
        return said


Control = Callable[..., dict[str, Any]]


@contextmanager
def _sandbox(patch: pytest.MonkeyPatch, shell: Shell) -> Iterator[Control]:
    """A sandbox that stands still, found by its name, with the settings pointing there; and its control door."""
    from impulsum_pipelines.sandbox.server import running_sandbox
    from impulsum_pipelines.sandbox.worlds import make_world

    with running_sandbox(make_world(seed=SEED, issues=ISSUES, now=datetime.fromisoformat(NOW))) as site:
        port = site.url.rpartition(":")[2]
        site.control("clock", freeze=True)
        site.control("clock", now=NOW)
        for line in shell("sandbox", "env", "--port", port).splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            patch.setenv(name, value.replace(site.url, f"http://{HOST}"))
        shell.codes["impulsum sandbox env --port PORT"] = shell.codes.pop(f"impulsum sandbox env --port {port}")
        patch.setattr(socket, "getaddrinfo", _resolving(int(port)))
        yield site.control


def _resolving(port: int) -> Callable[..., Any]:
    """The resolver, which also knows where the sandbox is."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, service: Any, *more: Any, **named: Any) -> Any:
        return resolve("127.0.0.1", port, *more, **named) if host == HOST else resolve(host, service, *more, **named)

    return getaddrinfo


def _fill(shell: Shell, control: Control) -> None:
    """Pull everything, let an hour pass in which Jira changes, pull that, build and publish."""
    for source in SOURCES:
        shell.done("sync", source, "--census")
    control("clock", advance_seconds=3600)
    control("edit_issue", issue="ATLAS-7", summary="Edited after the first pull", due_date="2024-02-28")
    control("transition", issue="ATLAS-8", status="Done")
    control("delete_issue", issue="ATLAS-9")
    shell.done("sync", "jira", "--census")
    shell.done("build")


def _try_commands(home: Path, folder: Path, shell: Shell, control: Control) -> None:
    """Exit codes: 0 when it is done, 2 when the command or a setting must be corrected, 1 otherwise."""
    nothing = {"IMPULSUM_HOME": str(folder / "nothing")}
    shell("status")
    shell("status", **nothing)
    shell("status", IMPULSUM_TIMEZONE="Mars/Olympus")
    shell("sql", "select 1")
    shell("sql", "from nowhere")
    shell("sql", "select 1", "--json", "--csv")
    shell("sql", "select 1", **nothing)
    shell("versions")
    shell("rollback", "nowhere")
    shell("history")
    shell("alerts", "list")
    shell("webhooks", "health")
    shell("nonsense")
    shell("sync", "nowhere")
    shell("sync", "tempo", TEMPO_API_TOKEN="")
    shell("sync", "tempo", "--since", "yesterday")
    shell("sync", "tempo", TEMPO_API_TOKEN="not-the-token")
    # A wait that is too long to sit out: the source is down for now.
    control("fault", kind="status", status=503, retry_after=7200, path="/tempo/")
    shell("doctor")
    control("clear_faults")
    _spoil(home)
    shell("sync", "tempo", "--since", "2024-02-03", "--until", "2024-02-03")


def _spoil(home: Path) -> None:
    """Let a check of Tempo fail: two rows of one id."""
    import duckdb

    with duckdb.connect(home / "raw" / "tempo.duckdb") as connection:
        connection.execute("insert into raw.accounts from raw.accounts limit 1")
