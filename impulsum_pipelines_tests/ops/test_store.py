"""The ops store: the first process that opens it creates or migrates it, and its errors say what to do."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops import migrations, store
from impulsum_pipelines.ops.schema import Instant, incidents, metadata
from impulsum_pipelines.settings import Settings, load_settings

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def incident(title: str = "it is slow") -> sa.Insert:
    return incidents.insert().values(priority="P1", title=title, first_at=NOW, last_at=NOW)


def test_the_revisions_make_the_schema(ops_settings: Settings) -> None:
    with store.transaction(ops_settings) as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
        assert differences == []
        assert set(sa.inspect(connection).get_table_names()) == {"alembic_version", *metadata.tables}


def test_head_is_the_newest_revision(ops_settings: Settings) -> None:
    with store.transaction(ops_settings) as connection:
        script = ScriptDirectory.from_config(migrations.alembic_config(connection))
        assert script.get_current_head() == migrations.HEAD == migrations.stored_revision(connection)


def test_a_transaction_is_committed_completely_or_not_at_all(ops_settings: Settings) -> None:
    with store.transaction(ops_settings) as connection:
        connection.execute(incident())
    with pytest.raises(ZeroDivisionError), store.transaction(ops_settings) as connection:
        connection.execute(incident())
        raise ZeroDivisionError
    with store.transaction(ops_settings) as connection:
        [row] = connection.execute(sa.select(incidents)).all()
    assert (row.title, row.first_at) == ("it is slow", NOW)
    assert row.first_at.tzinfo is UTC


def open_together(environment: dict[str, str], gate: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    while not gate.exists():
        time.sleep(0.001)
    with store.transaction(load_settings()) as connection:
        connection.execute(incident(str(os.getpid())))


def test_processes_that_start_at_once_create_one_store(ops_settings: Settings, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    started = [context.Process(target=open_together, args=(dict(os.environ), gate)) for _ in range(4)]
    for process in started:
        process.start()
    gate.touch()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * 4
    with store.transaction(ops_settings) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(incidents)).scalar() == 4


def test_a_store_of_a_later_version_is_left_alone(ops_settings: Settings) -> None:
    with store.transaction(ops_settings) as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    store._store.cache_clear()  # like a process that starts now
    with pytest.raises(ImpulsumError, match="later version") as raised, store.transaction(ops_settings):
        pass
    assert raised.value.category is Category.CONFIGURATION
    assert "9999" in raised.value.what


def test_migrating_leaves_the_loggers_alone(ops_settings: Settings) -> None:
    own = logging.getLogger("impulsum_pipelines.test")
    before = (logging.root.level, list(logging.root.handlers), own.disabled, logging.getLogger("alembic").handlers)
    with store.transaction(ops_settings):
        pass
    after = (logging.root.level, list(logging.root.handlers), own.disabled, logging.getLogger("alembic").handlers)
    assert after == before


@pytest.mark.parametrize(
    "url",
    ["nonsense", "mysql://root:hunter22@localhost/ops", "sqlite://", "postgresql+asyncpg://u:hunter22@localhost/ops"],
)
def test_an_address_that_is_not_a_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_unusable(url, Category.CONFIGURATION, monkeypatch)


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nothing listens on it
        port = unused.getsockname()[1]
        assert_unusable(f"postgresql+psycopg2://u:hunter22@127.0.0.1:{port}/ops", Category.NETWORK, monkeypatch)


def test_a_database_that_does_not_exist(ops_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    url = store.store_url(ops_settings)
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True)
        Path(str(url.database)).write_text("this is a letter and not a database " * 100)
        wrong = f"sqlite:///{url.database}"
    else:
        wrong = url.set(database="nowhere", password="hunter22").render_as_string(hide_password=False)
    assert_unusable(wrong, Category.CONFIGURATION, monkeypatch)


def assert_unusable(url: str, category: Category, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_OPS_URL", url)
    with pytest.raises(ImpulsumError) as raised, store.transaction(load_settings()):
        pass
    assert raised.value.category is category
    assert "hunter22" not in str(raised.value)
    assert raised.value.__cause__ is None


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(
    min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=zones  # noqa: DTZ001
)  # fmt: skip


@given(st.lists(instants, min_size=2, max_size=8))
def test_any_instant_is_read_back_unchanged_and_sorts(moments: list[datetime]) -> None:
    """On SQLite, where an instant is text; PostgreSQL has the type."""
    table = sa.Table("moments", sa.MetaData(), sa.Column("at", Instant))
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"at": moment} for moment in moments])
        stored: list[Any] = list(connection.execute(sa.select(table.c.at).order_by(table.c.at)).scalars())
        later = sa.select(sa.func.count()).where(table.c.at > moments[0])
        assert stored == sorted(moments)
        assert {moment.tzinfo for moment in stored} == {UTC}
        assert connection.execute(later).scalar() == sum(moment > moments[0] for moment in moments)
    engine.dispose()


def test_a_time_without_a_zone_is_refused(ops_settings: Settings) -> None:
    naive = incident().values(first_at=datetime(2026, 11, 20))  # noqa: DTZ001
    with pytest.raises(sa.exc.StatementError, match="no time zone"), store.transaction(ops_settings) as connection:
        connection.execute(naive)
