"""Open the ops store: SQLite in ``IMPULSUM_HOME``, or the database that ``IMPULSUM_OPS_URL`` names.

A new or older store is migrated when a process first opens it; processes that start at the same time wait for the one
that migrates.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.base.sanitize import sanitized
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops.migrations import NewerStoreError, bring_up_to_date
from impulsum_pipelines.settings import Settings

#: Seconds to reach the server: a pull must not wait for a server that is down.
CONNECT_SECONDS = 10

#: Seconds that a SQLite transaction waits for another one.
BUSY_SECONDS = 30

#: PostgreSQL's advisory lock for migrating a store; any number that nothing else uses.
_MIGRATING = 5_140_271_936

#: Driver errors that last until somebody changes the configuration.
_MISCONFIGURED = re.compile(
    r"authentication failed|does not exist|no pg_hba|no password|permission denied|"
    r"unable to open|readonly|read-only|not a database"
)


@contextmanager
def transaction(settings: Settings) -> Iterator[sa.Connection]:
    """Open a transaction. It is rolled back when the body raises. On SQLite other writers wait until it ends.

    Raises:
        ImpulsumError: the store cannot be used: its address is wrong or a later version made it (configuration), its
            server does not answer (network), or it is damaged or locked by another process (internal). Errors about
            the values alone (``DataError``, ``IntegrityError``) are raised unchanged.
    """
    store = engine(settings)
    try:
        with store.begin() as connection:
            yield connection
    except (sa.exc.DataError, sa.exc.IntegrityError):
        raise
    except sa.exc.DBAPIError as error:
        raise _to_error(error, settings) from None


def engine(settings: Settings) -> sa.Engine:
    """The store's engine, with its tables migrated; for statements that cannot run in a transaction.

    Raises:
        ImpulsumError: as :func:`transaction`.
    """
    url = store_url(settings)
    store = _store(url.render_as_string(hide_password=False), os.getpid())
    if not store.is_ready:
        try:
            store.prepare(Home.of(settings))
        except NewerStoreError as error:
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"A later version of impulsum_pipelines made the ops store (revision {error.revision})",
                where=sanitized(str(url)),
                next_step="install that version here too, or set IMPULSUM_OPS_URL to another database.",
            ) from None
        except (sa.exc.DBAPIError, OSError) as error:
            raise _to_error(error, settings) from None
    return store.engine


def dialect_insert(connection: sa.Connection, table: sa.Table) -> Any:
    """The database's own insert statement, which has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def store_url(settings: Settings) -> sa.URL:
    """The address of the store. Printed, it shows no password.

    Raises:
        ImpulsumError: of category configuration, when IMPULSUM_OPS_URL is neither a SQLite file nor a PostgreSQL
            database.
    """
    if settings.impulsum_ops_url is None:
        return sa.URL.create("sqlite", database=str(settings.home / "ops.sqlite"))
    url = _parsed(settings.impulsum_ops_url.get_secret_value())
    if url is None:
        raise ImpulsumError(
            Category.CONFIGURATION,
            "IMPULSUM_OPS_URL is not the address of a SQLite file or a PostgreSQL database",
            next_step="write it as postgresql+psycopg2://user:password@host/database, or unset it for SQLite in "
            "IMPULSUM_HOME.",
        )
    return url


@lru_cache(maxsize=8)
def _parsed(text: str) -> sa.URL | None:
    try:
        url = sa.make_url(text)
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except (sa.exc.ArgumentError, ImportError, ValueError):
        return None
    usable = dialect.name in {"sqlite", "postgresql"} and not dialect.is_async
    return url if usable and url.database not in {None, "", ":memory:"} else None


class _Store:
    """One store, as this process has opened it."""

    def __init__(self, url: sa.URL) -> None:
        self.is_ready = False
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._file = Path(url.database or "")
        waits = {"timeout": BUSY_SECONDS} if self.is_sqlite else {"connect_timeout": CONNECT_SECONDS}
        options = {name: value for name, value in waits.items() if name not in url.query}
        # Errors must not contain the parameters of a statement: bodies and texts do not belong in logs.
        self.engine = sa.create_engine(url, pool_pre_ping=True, connect_args=options, hide_parameters=True)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            # Lock at the start: a transaction that reads and then writes could otherwise fail half-way.
            sa.event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    def prepare(self, home: Home) -> None:
        with ExitStack() as stack:
            if self.is_sqlite:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(home.writing("ops"))
            connection = stack.enter_context(self.engine.begin())
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
            bring_up_to_date(connection)
        self.is_ready = True


# More than one: tests and tools open several. One per process, because a connection must not cross a fork.
@lru_cache(maxsize=8)
def _store(url: str, _process: int) -> _Store:
    return _Store(sa.make_url(url))


def _to_error(error: Exception, settings: Settings) -> ImpulsumError:
    url = store_url(settings)
    message = sanitized(" ".join(str(getattr(error, "orig", None) or error).split()), settings, longest=300)
    where = sanitized(str(url))
    if "database is locked" in message:
        return ImpulsumError(
            Category.INTERNAL,
            f"Another process locked the ops store for more than {BUSY_SECONDS} s",
            where=where,
            next_step="run again. If this happens again, end the program that has the file open.",
        )
    if isinstance(error, OSError) or _MISCONFIGURED.search(message):
        return ImpulsumError(
            Category.CONFIGURATION,
            f"The ops store cannot be opened: {message}",
            where=where,
            next_step="correct IMPULSUM_OPS_URL or IMPULSUM_HOME; the account must be allowed to create tables.",
        )
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite or not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        cause = "disk's free space and health" if is_sqlite else "server's log"
        return ImpulsumError(
            Category.INTERNAL,
            f"The ops store cannot be used: {message}",
            where=where,
            next_step=f"check the {cause}, then run again.",
        )
    return ImpulsumError(
        Category.NETWORK,
        f"The ops store does not answer: {message}",
        where=where,
        next_step="check that the database server runs and can be reached from here, then run again.",
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # this module begins transactions itself
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
        connection.execute(f"pragma {pragma}")
