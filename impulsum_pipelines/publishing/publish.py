"""Write, audit, publish: analysts get the marts as one complete, checked file, or the old file stays.

dbt builds ``warehouse.duckdb``, which only the pipeline opens. This module audits it, copies its mart schemas to a new
file, and replaces ``impulsum.duckdb`` by one rename. A reader sees the old file or the new one, never half of one, and
is never locked out, because nobody opens the published file for writing. ``versions/`` keeps the last versions for
:func:`rollback`.
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
# Not ".tmp": DuckDB spills large queries over x.duckdb into a folder x.duckdb.tmp beside it.
_PARTIAL = ".partial"


@dataclass(frozen=True)
class PublishResult:
    """The result of one publish.

    Args:
        path: the published file.
        version: its version, a UTC time such as ``20261101T021500123Z``; a later version sorts after an earlier one.
        bytes: size of the file.
        tables: row count by ``schema.table``.
        seconds: duration, without the wait for locks.
    """

    path: Path
    version: str
    bytes: int
    tables: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class KeptVersion:
    """A published version whose file is kept, so that :func:`rollback` can restore it.

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
    """Audit the warehouse and replace the published file by its marts.

    Raises:
        ImpulsumError: of category *bad data* when there is no finished build or a check failed: the message names
            the checks, and the published file stays as it is. Of category *internal* when a lock is not free in time
            or the disk cannot be written.
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
        _delete_leftovers(home)
        version = _next_version(home)
        partial = home.versions / f"{version}{_PARTIAL}"
        tables = write_release(home.warehouse, partial, version=version, published_at=_time_of(version))
        _make_durable(partial)
        kept = _version_path(home, version)
        partial.replace(kept)
        _flush(home.versions)
        _put_in_place(home, kept)
        _delete_old_versions(home, settings.impulsum_keep_versions, current=version)
        return PublishResult(home.published, version, kept.stat().st_size, tables, round(time.monotonic() - started, 3))


def kept_versions(settings: Settings) -> list[KeptVersion]:
    """The kept versions, newest first."""
    home = Home.of(settings)
    with home.reading("publish"):
        current = current_release(settings)
        return [
            KeptVersion(
                version=version,
                path=path,
                published_at=_time_of(version),
                bytes=path.stat().st_size,
                current=current is not None and current.version == version,
            )
            for version, path in sorted(_version_files(home).items(), reverse=True)
        ]


def rollback(settings: Settings, version: str) -> KeptVersion:
    """Replace the published file by a kept version; the next publish writes the warehouse as usual.

    Raises:
        ImpulsumError: of category *configuration* when no such version is kept.
    """
    home = Home.of(settings)
    with home.writing("publish"), _disk_errors():
        _delete_leftovers(home)
        kept = _version_files(home)
        if version not in kept:
            known = ", ".join(sorted(kept, reverse=True)) or "none"
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"There is no kept version {version}; kept versions: {known}",
                safe="The published file is unchanged.",
                next_step="choose one that `impulsum versions` lists.",
            )
        _put_in_place(home, kept[version])
        return KeptVersion(version, kept[version], _time_of(version), kept[version].stat().st_size, current=True)


def current_release(settings: Settings) -> Release | None:
    """The release of the published file; None when nothing is published yet."""
    path = Home.of(settings).published
    return read_release(path) if path.exists() else None


def _put_in_place(home: Home, kept: Path) -> None:
    """Replace the published file by a copy of a kept one, in one step that survives a power failure."""
    partial = home.root / f"{home.published.name}{_PARTIAL}"
    shutil.copyfile(kept, partial)
    _make_durable(partial)
    # A tool that opened the old file for writing may have left this log; DuckDB would replay it into the new file.
    home.published.with_name(f"{home.published.name}.wal").unlink(missing_ok=True)
    os.replace(partial, home.published)  # noqa: PTH105
    _flush(home.root)


def _make_durable(path: Path) -> None:
    """Make a finished file read-only and flush it to the disk.

    Read-only, because a tool that opens the published file for writing would lock out every reader.
    """
    path.chmod(0o444)
    _flush(path)


def _flush(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete_leftovers(home: Home) -> None:
    """Delete the partial files of a killed publish. The caller has the write lock, so no publish is running."""
    for folder in (home.root, home.versions):
        for leftover in folder.glob(f"*{_PARTIAL}*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _delete_old_versions(home: Home, keep: int, *, current: str) -> None:
    for version, path in sorted(_version_files(home).items(), reverse=True)[keep:]:
        if version != current:
            path.unlink()


def _version_files(home: Home) -> dict[str, Path]:
    prefix = f"{home.published.stem}-"
    return {path.stem.removeprefix(prefix): path for path in home.versions.glob(f"{prefix}*{home.published.suffix}")}


def _version_path(home: Home, version: str) -> Path:
    return home.versions / f"{home.published.stem}-{version}{home.published.suffix}"


def _next_version(home: Home) -> str:
    """The time now, to the millisecond; later than every kept version, even when the clock was set back."""
    now = datetime.now(UTC)
    if kept := _version_files(home):
        now = max(now, _time_of(max(kept)) + timedelta(milliseconds=1))
    return f"{now:{_STAMP}}{now.microsecond // 1000:03d}Z"


def _time_of(version: str) -> datetime:
    return datetime.strptime(f"{version[:-1]}000+0000", f"{_STAMP}%f%z")


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn an error of the disk or of DuckDB into one that says what to do."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.Error) as error:
        raise ImpulsumError(
            Category.INTERNAL,
            f"The file for analysts could not be written: {error}",
            safe="The published file is unchanged.",
            next_step="check space and permissions of IMPULSUM_HOME (`impulsum doctor`), then run the command again.",
        ) from error
