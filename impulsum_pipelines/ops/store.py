"""Open the ops store: SQLite in ``IMPULSUM_HOME``, or the database that ``IMPULSUM_OPS_URL`` names.

A store that is new or of an older version is brought up to date when a process first opens it; processes that start
at once wait for the one that does so.
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

#: Seconds to reach the server: a pull must not wait for one that is gone.
CONNECT_SECONDS = 10

#: Seconds that a SQLite transaction waits for another one.
BUSY_SECONDS = 30

#: PostgreSQL's advisory lock of whoever brings a store up to date; any number that nobody else uses.
_MIGRATING = 5_140_271_936

#: What stays wrong until somebody acts, in the words of the drivers.
_MISCONFIGURED = re.compile(
    r"authentication failed|does not exist|no pg_hba|no password|permission denied|"
    r"unable to open|readonly|read-only|not a database"
)


@contextmanager
def transaction(settings: Settings) -> Iterator[sa.Connection]:
    """One transaction: all of it is kept, or, when the body raises, none. On SQLite other writers wait for its end.

    Raises:
        ImpulsumError: the store cannot be used: its address is wrong or a later version made it (configuration), its
            server does not answer (network), or it is damaged or kept by another process (internal). What the store
            says of the values alone (``DataError``, ``IntegrityError``) is raised as it is.
    """
    store = engine(settings)
    try:
        with store.begin() as connection:
            yield connection
    except (sa.exc.DataError, sa.exc.IntegrityError):
        raise
    except sa.exc.DBAPIError as error:
        raise _plain(error, settings) from None


def engine(settings: Settings) -> sa.Engine:
    """The store's engine, its tables up to date; for what cannot be done in a transaction.

    Raises:
        ImpulsumError: as :func:`transaction`.
    """
    url = address(settings)
    store = _store(url.render_as_string(hide_password=False), os.getpid())
    if not store.is_ready:
        try:
            store.prepare(Home.of(settings))
        except NewerStoreError as error:
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"The ops store was made by a later version of impulsum_pipelines (revision {error.revision})",
                where=sanitized(str(url)),
                next_step="install that version here too, or point IMPULSUM_OPS_URL at another database.",
            ) from None
        except (sa.exc.DBAPIError, OSError) as error:
            raise _plain(error, settings) from None
    return store.engine


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An insert that may be told what to do on a conflict: both databases know that, each in a class of its own."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def address(settings: Settings) -> sa.URL:
    """Where the store is. Printed, it shows no password.

    Raises:
        ImpulsumError: of category configuration, when IMPULSUM_OPS_URL is no address of such a store.
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
    """One store as this process has it open."""

    def __init__(self, url: sa.URL) -> None:
        self.is_ready = False
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._file = Path(url.database or "")
        waits = {"timeout": BUSY_SECONDS} if self.is_sqlite else {"connect_timeout": CONNECT_SECONDS}
        options = {name: value for name, value in waits.items() if name not in url.query}
        # What a statement was given is no part of its error: bodies and texts do not belong into logs.
        self.engine = sa.create_engine(url, pool_pre_ping=True, connect_args=options, hide_parameters=True)
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            # Taken at the start: a transaction that reads and then writes could otherwise fail half-way.
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


# A few, not one: tests and tools open several. By process, since a connection must not cross a fork.
@lru_cache(maxsize=8)
def _store(url: str, _process: int) -> _Store:
    return _Store(sa.make_url(url))


def _plain(error: Exception, settings: Settings) -> ImpulsumError:
    url = address(settings)
    said = sanitized(" ".join(str(getattr(error, "orig", None) or error).split()), settings, longest=300)
    where = sanitized(str(url))
    if "database is locked" in said:
        return ImpulsumError(
            Category.INTERNAL,
            f"Another process held the ops store for more than {BUSY_SECONDS} s",
            where=where,
            next_step="run again. If it stays, end the program that has the file open.",
        )
    if isinstance(error, OSError) or _MISCONFIGURED.search(said):
        return ImpulsumError(
            Category.CONFIGURATION,
            f"The ops store cannot be opened: {said}",
            where=where,
            next_step="correct IMPULSUM_OPS_URL or IMPULSUM_HOME; the account must be allowed to create tables.",
        )
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite or not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        of_what = "disk's free space and health" if is_sqlite else "server's log"
        return ImpulsumError(
            Category.INTERNAL,
            f"The ops store cannot be used: {said}",
            where=where,
            next_step=f"check the {of_what}, then run again.",
        )
    return ImpulsumError(
        Category.NETWORK,
        f"The ops store does not answer: {said}",
        where=where,
        next_step="check that the database server runs and is reached from here, then run again.",
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say when a transaction begins
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
        connection.execute(f"pragma {pragma}")
