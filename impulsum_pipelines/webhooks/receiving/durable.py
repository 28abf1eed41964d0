"""Writing files that survive a power cut, and reading files without following links or waiting for pipes."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

#: Errors that mean the file itself is wrong; other errors say nothing about the file.
_REASONS = {
    errno.ELOOP: "It is a symbolic link",
    errno.ENXIO: "It is not a regular file",
    errno.EACCES: "This user may not read it",
}


def write_durably(path: Path, data: bytes) -> None:
    """Write a file into an existing folder, completely or not at all. Once this returns, it is on the disk.

    Raises:
        OSError: when the disk refuses.
    """
    partial = path.with_name(f".{path.name}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents so that they survive a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def read_regular_file(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of a regular file. Does not follow links and does not wait for pipes.

    Raises:
        ValueError: when it is not a regular file, or this user may not read it.
        OSError: when the disk refuses, or the file is gone.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if reason := _REASONS.get(error.errno or 0):
            raise ValueError(reason) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(_REASONS[errno.ENXIO])
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
