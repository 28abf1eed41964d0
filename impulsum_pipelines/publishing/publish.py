"""Write, audit, publish: the marts reach analysts as one file, whole and checked, or not at all.

dbt builds in ``warehouse.duckdb``, which only the pipeline opens. This module audits it, copies its mart schemas to a
new file and puts that in place of ``impulsum.duckdb`` by one rename. A reader has the old file or the new one, never
half of one, and is never locked out: nobody opens the published file for writing. The last versions are kept in
``versions/`` to go back to.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.publishing.release import Release, read_release, write_release
from impulsum_pipelines.settings import Settings

_STAMP = "%Y%m%dT%H%M%S"
# Not ".tmp": DuckDB spills the queries of x.duckdb into a folder x.duckdb.tmp beside it.
_PARTIAL = ".partial"


@dataclass(frozen=True)
class PublishResult:
    """What one publish put in place.

    Args:
        path: the published file.
        version: its version, a UTC time such as ``20261101T021500123Z``; later is greater.
        bytes: size of the file.
        tables: rows by ``schema.table``.
        seconds: duration, without the wait for locks.
    """

    path: Path
    version: str
    bytes: int
    tables: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Version:
    """A published version that can be gone back to.

    Args:
        version: its name, a UTC time.
        path: its file.
        published_at: when it was published (UTC).
        bytes: size of the file.
        current: True when ``impulsum.duckdb`` is this version now.
    """

    version: str
    path: Path
    published_at: datetime
    bytes: int
    current: bool


def publish(settings: Settings) -> PublishResult:
    """Audit the warehouse and put its marts in place of the published file.

    Raises:
        ImpulsumError: of category *bad data* when there is no finished build or a check failed: the message names
            the checks, and the file that stood before still stands. Of category *internal* when a lock cannot be
            had in time or the disk refuses.
    """
    home = Home.of(settings)
    with home.reading("warehouse"), home.writing("publish"), _disk_errors():
        started = time.monotonic()
        if not home.warehouse.exists():
            raise ImpulsumError(
                Category.BAD_DATA,
                "The warehouse has not been built",
                next_step="run `impulsum build`.",
            )
        home.versions.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        version = _next_version(home)
        partial = home.versions / f"{version}{_PARTIAL}"
        tables = write_release(home.warehouse, partial, version=version, published_at=_time_of(version))
        _seal(partial)
        kept = _version_path(home, version)
        partial.replace(kept)
        _sync(home.versions)
        _put_in_place(home, kept)
        _prune(home, settings.impulsum_keep_versions, current=version)
        return PublishResult(home.published, version, kept.stat().st_size, tables, round(time.monotonic() - started, 3))


def versions(settings: Settings) -> list[Version]:
    """The versions that are kept, newest first."""
    home = Home.of(settings)
    with home.reading("publish"):
        current = published(settings)
        return [
            Version(
                version=version,
                path=path,
                published_at=_time_of(version),
                bytes=path.stat().st_size,
                current=current is not None and current.version == version,
            )
            for version, path in sorted(_kept(home).items(), reverse=True)
        ]


def rollback(settings: Settings, version: str) -> Version:
    """Put a kept version in place again; the next publish goes forward from the warehouse as usual.

    Raises:
        ImpulsumError: of category *configuration* when no such version is kept.
    """
    home = Home.of(settings)
    with home.writing("publish"), _disk_errors():
        _sweep(home)
        kept = _kept(home)
        if version not in kept:
            known = ", ".join(sorted(kept, reverse=True)) or "none"
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"No published version is called {version}; kept: {known}",
                next_step="choose one that `impulsum versions` lists.",
            )
        _put_in_place(home, kept[version])
        return Version(version, kept[version], _time_of(version), kept[version].stat().st_size, current=True)


def published(settings: Settings) -> Release | None:
    """What the published file says of itself; None while nothing is published."""
    path = Home.of(settings).published
    return read_release(path) if path.exists() else None


def _put_in_place(home: Home, kept: Path) -> None:
    """Replace the published file by a copy of a kept one, in one step that survives a power cut."""
    partial = home.root / f"{home.published.name}{_PARTIAL}"
    shutil.copyfile(kept, partial)
    _seal(partial)
    # Left by a tool that opened the old file for writing: DuckDB would replay it into the new one.
    home.published.with_name(f"{home.published.name}.wal").unlink(missing_ok=True)
    os.replace(partial, home.published)  # noqa: PTH105
    _sync(home.root)


def _seal(path: Path) -> None:
    """Make a finished file read-only and durable.

    Read-only, since a tool that opens the published file for writing would lock every other reader out of it.
    """
    path.chmod(0o444)
    _sync(path)


def _sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(home: Home) -> None:
    """Remove what a publish that was killed left behind. The caller holds the write lock: nobody is at work."""
    for folder in (home.root, home.versions):
        for leftover in folder.glob(f"*{_PARTIAL}*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _prune(home: Home, keep: int, *, current: str) -> None:
    for version, path in sorted(_kept(home).items(), reverse=True)[keep:]:
        if version != current:
            path.unlink()


def _kept(home: Home) -> dict[str, Path]:
    prefix = f"{home.published.stem}-"
    return {path.stem.removeprefix(prefix): path for path in home.versions.glob(f"{prefix}*{home.published.suffix}")}


def _version_path(home: Home, version: str) -> Path:
    return home.versions / f"{home.published.stem}-{version}{home.published.suffix}"


def _next_version(home: Home) -> str:
    """A name for now, to the millisecond; greater than every kept one even when the clock went back."""
    now = datetime.now(UTC)
    if kept := _kept(home):
        now = max(now, _time_of(max(kept)) + timedelta(milliseconds=1))
    return f"{now:{_STAMP}}{now.microsecond // 1000:03d}Z"


def _time_of(version: str) -> datetime:
    return datetime.strptime(f"{version[:-1]}000+0000", f"{_STAMP}%f%z")


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Say in the reader's words that the disk or a file refused."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.Error) as error:
        raise ImpulsumError(
            Category.INTERNAL,
            f"The file for analysts could not be written: {error}",
            safe="The published file is the one that stood before.",
            next_step="check free space and permissions of IMPULSUM_HOME (`impulsum doctor`), then publish again.",
        ) from error
