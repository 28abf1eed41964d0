"""Files that survive a power cut once they are written, and reading that nobody can lead astray."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

#: What the kernel says of something that is not what it should be; other errors say nothing about the file.
_REASONS = {
    errno.ELOOP: "It is a symbolic link",
    errno.ENXIO: "It is no regular file",
    errno.EACCES: "It may not be read by this user",
}


def write(path: Path, data: bytes) -> None:
    """Put a file into a folder that exists: whole, or not at all. When this returns, it is on the disk.

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
    """Make a folder, and those above it, such that a power cut does not take them back."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def read_regular(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of a regular file; never those that a link leads to, and never waiting for a pipe.

    Raises:
        ValueError: when it is something else, or may not be read.
        OSError: when the disk refuses, or it is gone.
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
