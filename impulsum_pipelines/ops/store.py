"""Open the ops store: SQLite in ``IMPULSUM_HOME``, or the database that ``IMPULSUM_OPS_URL`` names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.files import Home
from impulsum_pipelines.settings import Settings


@contextmanager
def transaction(settings: Settings) -> Iterator[sa.Connection]:
    """One transaction: all of it is kept, or, when the body raises, none. Other writers wait for its end."""
    with _engine(_url(settings)).begin() as connection:
        yield connection


def _url(settings: Settings) -> str:
    if settings.impulsum_ops_url:
        return settings.impulsum_ops_url.get_secret_value()
    return f"sqlite:///{Home.of(settings).root / 'ops.sqlite'}"


@cache
def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        # Taken at the start: a transaction that reads and then writes could otherwise fail half-way.
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say when a transaction begins
    for pragma in ("journal_mode = wal", "synchronous = full", "busy_timeout = 30000", "foreign_keys = on"):
        connection.execute(f"pragma {pragma}")
