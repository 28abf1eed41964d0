"""Paths, locks and DuckDB connections of the state folder.

While one process has a DuckDB file open for writing, no other can open it, not even to read, and a reader blocks the
writer. So each file has a reader-writer lock (``locks/<name>.lock``), which is taken only while the file is open. The
kernel frees the lock when its process dies, so ``kill -9`` never leaves one behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Home:
    """The paths under ``IMPULSUM_HOME``, and the locks that guard them.

    Args:
        root: the state folder.
        lock_seconds: how long to wait for another process to release a file, in seconds.
    """

    root: Path
    lock_seconds: float = 300

    @classmethod
    def of(cls, settings: Settings) -> Home:
        """The home that the settings name."""
        return cls(settings.home, settings.impulsum_lock_seconds)

    def raw(self, source: str) -> Path:
        """The raw DuckDB file of one source."""
        return self.root / "raw" / f"{source}.duckdb"

    @property
    def warehouse(self) -> Path:
        """The file that dbt builds; private to the pipeline."""
        return self.root / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The file that analysts read."""
        return self.root / "impulsum.duckdb"

    @property
    def versions(self) -> Path:
        """Folder of the kept versions of the published file."""
        return self.root / "versions"

    @property
    def work(self) -> Path:
        """Scratch folder of syncs; it may be deleted when no sync runs."""
        return self.root / "work"

    @property
    def limits(self) -> Path:
        """Folder of the request counters, see :class:`impulsum_pipelines.sources.base.limits.Budget`."""
        return self.root / "limits"

    @property
    def inbox(self) -> Path:
        """Folder of drop files: ``incoming``, ``done`` and ``failed``; see ``docs/drop-files.md``."""
        return self.root / "inbox"

    @property
    def first_day(self) -> Path:
        """File with the first day (UTC) that Dagster shows, see :mod:`impulsum_pipelines.loading.partitions`."""
        return self.root / "first_day"

    @property
    def dagster(self) -> Path:
        """``DAGSTER_HOME`` of the command line and of ``make dev``, unless one is set."""
        return self.root / "dagster"

    @property
    def is_demo(self) -> bool:
        """Whether the home was made by ``impulsum demo``: all data in it is invented."""
        return self._demo_mark.exists()

    @property
    def demo_site(self) -> str:
        """URL of the sandbox that the data of a demo comes from; nothing else may be pulled into its home."""
        return self._demo_mark.read_text(encoding="utf-8")

    def mark_demo(self, site: str) -> None:
        """Make this the home of a demo whose data comes from the sandbox at the URL ``site``."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._demo_mark.write_text(site, encoding="utf-8")

    @property
    def _demo_mark(self) -> Path:
        return self.root / "demo.txt"

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Lock ``name`` (a source, ``warehouse`` or ``publish``) for reading, beside other readers.

        Raises:
            ImpulsumError: of category internal when another process does not release it within ``lock_seconds``.
        """
        with self._lock(name, "read"):
            yield

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Lock ``name`` for writing; nobody else may read or write it. Raises as :meth:`reading` does."""
        with self._lock(name, "write"):
            yield

    @contextmanager
    def process_alive(self, name: str) -> Iterator[None]:
        """Let :meth:`is_dead` find out when this process is killed inside the block. Use each name once."""
        with self.writing(name):
            try:
                yield
            finally:
                self._lock_file(name).unlink(missing_ok=True)

    def is_dead(self, name: str) -> bool:
        """Whether the process inside :meth:`process_alive` was killed; False too when the name is unknown here."""
        if not self._lock_file(name).exists():
            return False
        try:
            with replace(self, lock_seconds=0).writing(name):
                return True
        except ImpulsumError:  # it is alive
            return False

    def _lock_file(self, name: str) -> Path:
        return self.root / "locks" / f"{name}.lock"

    @contextmanager
    def _lock(self, name: str, kind: str) -> Iterator[None]:
        from filelock import ReadWriteLock, Timeout

        file = self._lock_file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Not a singleton: the threads of one process must wait for each other as processes do.
        lock = ReadWriteLock(file, timeout=self.lock_seconds, is_singleton=False)
        try:
            (lock.acquire_read if kind == "read" else lock.acquire_write)()
        except Timeout:
            raise ImpulsumError(
                Category.INTERNAL,
                f"Another process has kept {name} locked for more than {self.lock_seconds:g} s",
                where=f"waiting to {kind}",
                next_step="wait for the other sync or build to end, then run again; "
                "IMPULSUM_LOCK_SECONDS sets the wait.",
            ) from None
        try:
            yield
        finally:
            lock.release()
            lock.close()

    @contextmanager
    def read_raw(self, source: str) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A read-only connection to a source's raw file, under its read lock; None when there is no file yet."""
        with self.reading(source):
            if not self.raw(source).exists():
                yield None
                return
            with connect(self.raw(source), read_only=True) as connection:
                yield connection

    @contextmanager
    def write_raw(self, source: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-write connection to a source's raw file, under its write lock."""
        with self.writing(source), self.open_raw(source) as connection:
            yield connection

    @contextmanager
    def open_raw(self, source: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-write connection for a caller that already has the source's write lock."""
        self.raw(source).parent.mkdir(parents=True, exist_ok=True)
        with connect(self.raw(source), read_only=False) as connection:
            yield connection

    def copy_raw(self, source: str, folder: Path) -> None:
        """Copy a source's raw file, for a caller that already has the source's read lock.

        DuckDB's write-ahead log is copied too: after a ``kill -9`` the newest rows may be only there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for file in (self.raw(source), self.raw(source).with_suffix(".duckdb.wal")):
            if file.exists():
                shutil.copyfile(file, folder / file.name)


@contextmanager
def connect(path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection whose session time zone is UTC. Take the lock first, see :class:`Home`."""
    import duckdb

    connection = duckdb.connect(path, read_only=read_only)
    try:
        # Not in the connect config: the zone needs the icu extension, which is loaded only later.
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def fetch_dicts(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of a query that was executed, each as a dict by column name."""
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
