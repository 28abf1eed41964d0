"""Fixtures for every test: an environment of its own, sandboxes, stores and Dagster instances."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from impulsum_pipelines.tiers import SOURCES

if TYPE_CHECKING:
    import dagster as dg

    from impulsum_pipelines.base.home import Home
    from impulsum_pipelines.sandbox.server import Running
    from impulsum_pipelines.settings import Settings
    from impulsum_pipelines_tests.alerts.sinks import Mails, Webhook
    from impulsum_pipelines_tests.postgres import Postgres

_OURS = (
    *("IMPULSUM_", *(f"{source.name.upper()}_" for source in SOURCES)),
    *("DAGSTER_", "DLT_", "DBT_", "PG", "RUNTIME__", "DESTINATION__", "SOURCES__"),
)
_TELEMETRY_OFF = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}

STORAGES = ("sqlite", "postgresql")

SandboxFactory = Callable[..., "Running"]

# No deadline: the duration of an example says nothing on a shared machine. Function-scoped fixtures are allowed: a
# separate home for each example would prove no more.
hypothesis.settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("shared")

#: For a test of what only one storage has, such as files or row locks: it always runs on that storage.
on_sqlite, on_postgresql = (pytest.mark.parametrize("storage", [name], indirect=True) for name in STORAGES)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options: how often the month tests pull live (by default once a day or less), and the storage of all state."""
    parser.addoption("--live-minutes", type=int, help="pull the months of the sources live every so many minutes")
    parser.addoption("--storage", choices=STORAGES, help="run every test with the ops store and Dagster's storage here")


def pytest_configure() -> None:
    """Handle SIGINT again: a background job of a script ignores it, and so does every process that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the long tests first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with ``ops_settings`` on every storage, unless ``--storage`` chooses one.

    On PostgreSQL only the ops store's own tests are part of the short run; ``make postgresql`` runs the others.
    """
    if "ops_settings" in metafunc.fixturenames and not metafunc.config.getoption("storage"):
        is_own = metafunc.module.__name__.startswith("impulsum_pipelines_tests.ops.")
        marks = () if is_own else pytest.mark.exhaustive
        metafunc.parametrize("storage", ["sqlite", pytest.param("postgresql", marks=marks)], indirect=True)


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> str:
    """The kind of the ops store and of Dagster's storage: sqlite, in the test's own folder, or postgresql."""
    return str(getattr(request, "param", None) or request.config.getoption("storage") or STORAGES[0])


@pytest.fixture(autouse=True)
def own_environment(
    request: pytest.FixtureRequest, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """An environment without settings from outside; all state is in the test's own folder or its own databases."""
    isolate(monkeypatch, tmp_path)
    with ExitStack() as stack:
        if storage == "postgresql":
            server = request.getfixturevalue("postgres_server")
            for name in ("IMPULSUM_OPS_URL", "DAGSTER_POSTGRES_URL"):
                monkeypatch.setenv(name, stack.enter_context(server.database()))
            monkeypatch.setenv("PGTZ", "UTC")  # as the services have it
        yield


@pytest.fixture(autouse=True)
def _ready_ops_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a new ops store in SQLite begin as a copy: Alembic takes ten times as long. Not in the tests of the store."""
    from impulsum_pipelines.ops import store

    if request.module.__name__.startswith("impulsum_pipelines_tests.ops."):
        return
    prepare = store._Store.prepare
    blank = tmp_path_factory.getbasetemp() / "blank-ops.sqlite"

    def prepared(self: store._Store, home: Home) -> None:
        is_new = self.is_sqlite and not self._file.exists()
        if is_new and blank.exists():
            self._file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(blank, self._file)
        prepare(self, home)
        if is_new and not blank.exists():
            with sqlite3.connect(self._file) as filled, sqlite3.connect(blank) as copy:
                filled.backup(copy)

    monkeypatch.setattr(store._Store, "prepare", prepared)


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Unset every setting, and put all state into a folder."""
    for name in os.environ:
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    for name, value in {**_TELEMETRY_OFF, "PYTHON_DOTENV_DISABLED": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMPULSUM_HOME", str(folder / "home"))
    monkeypatch.setenv("DLT_DATA_DIR", str(folder / "dlt"))
    monkeypatch.setenv("DLT_PROJECT_DIR", str(folder))


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxFactory]:
    """Starts sandboxes with a generated history, and points the settings at the latest one.

    ``sandbox(seed=1, issues=60, now="2026-11-01T00:00:00Z", **options)``; the options are those of ``generate``.
    """
    from impulsum_pipelines.sandbox.server import running_sandbox
    from impulsum_pipelines.sandbox.worlds import generate

    with ExitStack() as stack:

        def start(seed: int = 1, issues: int = 60, now: str = "2026-11-01T00:00:00Z", **options: Any) -> Running:
            world = generate(seed=seed, issues=issues, now=datetime.fromisoformat(now), **options)
            served = stack.enter_context(running_sandbox(world))
            for name, value in served.env.items():
                monkeypatch.setenv(name, value)
            return served

        yield start


@pytest.fixture
def quick_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs of this process skip dlt's normalize and load, as those of the sources' tests do."""
    from impulsum_pipelines_tests.quick_load import load_quickly

    load_quickly(monkeypatch)


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[Postgres]:
    """A real PostgreSQL, one per worker. If none can start, its tests are skipped, unless ``--storage`` requests it."""
    from impulsum_pipelines_tests.postgres import NoPostgresError, postgres

    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres())
        except NoPostgresError as reason:
            if pytestconfig.getoption("storage") == "postgresql":
                raise
            pytest.skip(f"no PostgreSQL on this machine: {reason}")
        yield server


@pytest.fixture
def ops_settings(own_environment: None) -> Settings:
    """Settings with a new ops store, once on SQLite and once on PostgreSQL; the environment has them too."""
    from impulsum_pipelines.settings import load_settings

    return load_settings()


@pytest.fixture
def mails() -> Iterator[Mails]:
    """A mail server that alerts can be sent to."""
    from impulsum_pipelines_tests.alerts.sinks import Mails

    with Mails() as running:
        yield running


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook receiver that alerts can be sent to."""
    from impulsum_pipelines_tests.alerts.sinks import Webhook

    with Webhook() as running:
        yield running


@pytest.fixture(scope="session")
def blank_dagster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new DAGSTER_HOME on SQLite, to copy."""
    return _opened_once(tmp_path_factory.mktemp("dagster"))


@pytest.fixture(scope="session")
def blank_dagster_database(postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a new Dagster database, to copy."""
    with postgres_server.database() as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_POSTGRES_URL", url)
            _opened_once(tmp_path_factory.mktemp("dagster"))
        yield url


def _opened_once(home: Path) -> Path:
    import dagster as dg

    from impulsum_pipelines import deploy

    deploy.install(home)
    with dg.DagsterInstance.from_config(str(home)):
        return home


@pytest.fixture
def instance(request: pytest.FixtureRequest, storage: str, own_environment: None) -> Iterator[dg.DagsterInstance]:
    """A new Dagster instance, configured as in production."""
    with _deployed(request, storage) as instance:
        yield instance


@pytest.fixture
def light_instance(
    request: pytest.FixtureRequest, storage: str, own_environment: None, tmp_path: Path
) -> Iterator[dg.DagsterInstance]:
    """A new Dagster instance for complete runs: in memory, because on SQLite each event of a run costs many times more.

    In memory it has no configuration and stores no schedules.
    """
    import dagster as dg

    is_light = storage == "sqlite"
    with dg.DagsterInstance.ephemeral(str(tmp_path)) if is_light else _deployed(request, storage) as instance:
        yield instance


@pytest.fixture
def quick_runs(quick_loads: None, light_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that a command runs in this process load quickly, and their history is in the light instance."""
    import dagster as dg

    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: nullcontext(light_instance))


@contextmanager
def _deployed(request: pytest.FixtureRequest, storage: str) -> Iterator[dg.DagsterInstance]:
    """An instance with copied tables: Dagster takes longer to create them than most tests take."""
    import dagster as dg

    from impulsum_pipelines import deploy
    from impulsum_pipelines.base.home import Home
    from impulsum_pipelines.settings import load_settings

    home = Home.of(load_settings()).dagster
    if storage == "postgresql":
        blank = request.getfixturevalue("blank_dagster_database")
        request.getfixturevalue("postgres_server").copy(blank, to=os.environ["DAGSTER_POSTGRES_URL"])
        deploy.install(home)
    else:
        shutil.copytree(request.getfixturevalue("blank_dagster"), home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance
