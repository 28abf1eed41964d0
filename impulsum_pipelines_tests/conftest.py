"""What every test stands on: an environment of its own, and a Jira that lives on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from impulsum_pipelines.tiers import SOURCES

if TYPE_CHECKING:
    from impulsum_pipelines.sandbox.server import Running
    from impulsum_pipelines.settings import Settings
    from impulsum_pipelines_tests.postgres import Postgres

_OURS = (
    *("IMPULSUM_", *(f"{source.name.upper()}_" for source in SOURCES)),
    *("DAGSTER_", "DLT_", "DBT_", "RUNTIME__", "DESTINATION__", "SOURCES__"),
)
_TELEMETRY_OFF = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}

SandboxFactory = Callable[..., "Running"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often a month's sources are pulled live; without it, once a day or less."""
    parser.addoption("--live-minutes", type=int, help="pull the months of the sources live every so many minutes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from outside, and all state goes to the test's own folder."""
    isolate(monkeypatch, tmp_path)


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Unset every setting, and put all state below a folder."""
    for name in os.environ:
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    for name, value in _TELEMETRY_OFF.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMPULSUM_HOME", str(folder / "home"))
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / "dlt"))
    monkeypatch.setenv("DLT_PROJECT_DIR", str(folder))


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxFactory]:
    """Starts sandboxes with a generated history, and points the settings at the latest one.

    ``sandbox(seed=1, issues=60, now="2026-11-01T00:00:00Z", **options)``; the options are those of ``generate``.
    """
    from impulsum_pipelines.sandbox.jira.generator import generate
    from impulsum_pipelines.sandbox.server import running

    with ExitStack() as stack:

        def start(seed: int = 1, issues: int = 60, now: str = "2026-11-01T00:00:00Z", **options: Any) -> Running:
            world = generate(seed=seed, issues=issues, now=datetime.fromisoformat(now), **options)
            served = stack.enter_context(running(world))
            for name, value in served.env.items():
                monkeypatch.setenv(name, value)
            return served

        yield start


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A real PostgreSQL, one a worker; its tests are skipped, with the reason, where none can be started."""
    from impulsum_pipelines_tests.postgres import NoPostgresError, postgres

    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres())
        except NoPostgresError as reason:
            pytest.skip(f"no PostgreSQL on this machine: {reason}")
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def ops_settings(
    request: pytest.FixtureRequest, own_environment: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings with an ops store that is new, once on SQLite and once on PostgreSQL; in the environment as well."""
    from impulsum_pipelines.settings import load_settings

    with ExitStack() as stack:
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            monkeypatch.setenv("IMPULSUM_OPS_URL", stack.enter_context(server.database()))
        yield load_settings()
