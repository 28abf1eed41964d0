"""Drop files: one webhook delivery per file, written by a receiver and read by the process that commits events.

The contract is ``docs/drop-files.md``; this module writes files that keep it and rejects files that do not. A file in
``inbox/incoming`` is always complete. Its reader commits it, then moves it to ``done``, or to ``failed`` with the
reason. After a crash in between, the file is only read again.
"""

from __future__ import annotations

import base64
import errno
import heapq
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

import orjson

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.webhooks.receiving import durable
from impulsum_pipelines.webhooks.receiving.envelope import VERSION, Envelope, parse_envelope
from impulsum_pipelines.webhooks.receiving.vendors import COMMON_HEADERS, VENDORS

#: The largest size of a drop file.
MAX_BYTES = 25 * 1024 * 1024

_REASON = ".reason.txt"
_LONGEST_HEADER = 2000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

SignatureStatus = Literal["valid", "unsigned"]

_NAME = re.compile(r"(?P<received>\d{8}T\d{6}\.\d{6}Z)-(?P<source>[a-z]+)-[A-Za-z0-9_]{8,64}\.json")
#: Names that are safe in failed/; any other name is replaced.
_HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True)
class DropFile:
    """One delivery as it was received.

    Args:
        path: the file.
        source: name of the source.
        received_at: when the producer received it (UTC).
        headers: the harmless headers, by lower-case name.
        body: the exact bytes.
        signature: ``valid`` when the producer verified it, else ``unsigned``.
        delivery: the vendor's delivery id, the same at every retry; None without one.
    """

    path: Path
    source: str
    received_at: datetime
    headers: Mapping[str, str]
    body: bytes
    signature: SignatureStatus
    delivery: str | None


def write_dropfile(
    home: Home,
    source: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    signature: SignatureStatus = "unsigned",
    delivery: str | None = None,
    received_at: datetime | None = None,
) -> Path:
    """Put a delivery into the inbox. Once this returns, the file survives a power cut.

    Args:
        headers: all headers of the request; only the harmless ones are stored.
        received_at: when it was received; now by default.

    Raises:
        ImpulsumError: of category *bad data* when a reader would reject the file, for example because of its size.
        OSError: when the disk refuses; the inbox is unchanged then.
    """
    moment = (received_at or datetime.now(UTC)).astimezone(UTC)
    try:
        content = {"body": body.decode()}
    except UnicodeDecodeError:
        content = {"body_base64": base64.b64encode(body).decode()}
    path = home.inbox / "incoming" / f"{moment:%Y%m%dT%H%M%S.%f}Z-{source}-{uuid.uuid4().hex}.json"
    data = orjson.dumps(
        {
            "version": VERSION,
            "source": source,
            "received_at": moment.isoformat(timespec="microseconds"),
            "headers": _harmless(source, headers),
            **content,
            "signature": signature,
            "delivery": delivery,
        }
    )
    _parse(path, data)
    durable.make_folder(path.parent)
    durable.write_durably(path, data)
    return path


def check_writable(home: Home) -> None:
    """Check that the inbox can be written to now, by writing and deleting a file.

    Raises:
        OSError: when it cannot.
    """
    incoming = home.inbox / "incoming"
    durable.make_folder(incoming)
    trial = incoming / f".{uuid.uuid4().hex}.tmp"
    try:
        trial.write_bytes(b"trial")
    finally:
        trial.unlink(missing_ok=True)


def waiting(home: Home, limit: int = 200) -> list[Path]:
    """At most ``limit`` complete files of the inbox, good and bad, the oldest names first."""
    try:
        with os.scandir(home.inbox / "incoming") as entries:
            names = heapq.nsmallest(limit, (entry.name for entry in entries if not _is_partial(entry.name)))
    except FileNotFoundError:
        return []
    return [home.inbox / "incoming" / name for name in names]


def oldest_received_at(home: Home) -> datetime | None:
    """When the oldest waiting delivery was received (UTC); None when the inbox is empty."""
    for path in waiting(home, 1):
        if named := _NAME.fullmatch(path.name):
            with suppress(ValueError):
                return datetime.strptime(named["received"], "%Y%m%dT%H%M%S.%f%z")
    return None


def read_dropfile(path: Path) -> DropFile:
    """Read and check one file.

    Raises:
        ImpulsumError: of category *bad data*, with the reason, when the file breaks the contract.
        FileNotFoundError: when another reader has already moved it.
        OSError: when the disk refuses; the file itself may be good.
    """
    if not _NAME.fullmatch(path.name):
        raise _bad(path, "Its name is not a time, a source and a unique id, like 20261101T120000.000000Z-jira-….json")
    try:
        data = durable.read_regular_file(path, MAX_BYTES + 1)
    except ValueError as error:
        raise _bad(path, str(error)) from None
    return _parse(path, data)


def move(path: Path, to: Literal["done", "failed"], reason: str = "") -> Path:
    """Move a file out of ``incoming`` and return its new path. If another reader already moved it, nothing happens.

    A file that goes to ``failed`` gets its ``reason`` beside it, in ``<name>.reason.txt``.
    """
    folder = path.parent.parent / to
    durable.make_folder(folder)
    target = folder / path.name
    if to == "failed":
        if not _HARMLESS.fullmatch(path.name) or path.name.endswith(_REASON):
            target = folder / f"renamed-{sha256(os.fsencode(path.name)).hexdigest()[:32]}"
        note = target.with_name(f"{target.name}{_REASON}")
        partial = note.with_name(f".{note.name}.{uuid.uuid4().hex}.tmp")
        # Write the reason first, so that every file in failed/ has one.
        partial.write_text(f"{reason}\nReceived as {path.name!a}.\n", encoding="utf-8", errors="backslashreplace")
        partial.replace(note)
    try:
        path.replace(target)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR}:
            raise
        # A folder can only be replaced by an empty folder: give this one another name.
        return path.replace(target.with_name(f"{target.name}.{uuid.uuid4().hex}"))
    return target


def prune_processed(home: Home, before: datetime) -> int:
    """Delete files written before a time: all of ``done``, and half-written ones of ``incoming``. Returns how many."""
    deleted = 0
    for folder, may_delete in (("done", lambda _name: True), ("incoming", _is_partial)):
        for entry in _entries(home.inbox / folder):
            if not may_delete(entry.name) or entry.is_dir(follow_symlinks=False):
                continue
            deleted += _delete(Path(entry.path), Path(entry.path), before)
    return deleted


def prune_failed(home: Home, before: datetime) -> int:
    """Delete files and folders put into ``failed`` before a time, with their reasons.

    Returns:
        How many files and folders; reasons do not count.
    """
    entries = [Path(entry.path) for entry in _entries(home.inbox / "failed")]
    notes = [path for path in entries if path.name.endswith(_REASON) or _is_partial(path.name)]
    files = [path for path in entries if path not in set(notes)]
    # The age of a file is the age of its reason: the file itself may carry a wrong time.
    deleted = sum(_delete(path, path.with_name(f"{path.name}{_REASON}"), before) for path in files)
    for note in notes:
        _delete(note, note, before)
    return deleted


def _delete(path: Path, dated: Path, before: datetime) -> bool:
    """Delete a file or folder when ``dated`` was written before a time; a link is deleted, never its target.

    Args:
        path: the file to delete.
        dated: the file whose age decides; ``path`` itself when it is missing.
    """
    try:
        is_old = (dated if dated.exists() else path).lstat().st_mtime < before.timestamp()
        if is_old and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif is_old:
            path.unlink()
    except FileNotFoundError:
        return False
    return is_old


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from entries


def _is_partial(name: str) -> bool:
    return name.startswith(".") or name.endswith(".tmp")


def _harmless(source: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers on our list of harmless ones. No list of dangerous headers would ever be complete."""
    kept = COMMON_HEADERS | (VENDORS[source].headers if source in VENDORS else frozenset())
    return {
        name.lower(): _CONTROL.sub(" ", value)[:_LONGEST_HEADER]
        for name, value in headers.items()
        if name.lower() in kept
    }


def _parse(path: Path, data: bytes) -> DropFile:
    if len(data) > MAX_BYTES:
        raise _bad(path, f"It is larger than {MAX_BYTES >> 20} MB")
    try:
        envelope = parse_envelope(data)
    except ValueError as error:
        raise _bad(path, str(error)) from None
    named = _NAME.fullmatch(path.name)
    if not named or named["source"] != envelope.source:
        raise _bad(path, f"Its name and its envelope name different sources; the envelope says {envelope.source}")
    return DropFile(
        path=path,
        source=envelope.source,
        received_at=envelope.received_at,
        headers=_harmless(envelope.source, envelope.headers),
        body=_body(path, envelope),
        signature=envelope.signature,
        delivery=envelope.delivery,
    )


def _body(path: Path, envelope: Envelope) -> bytes:
    if envelope.body is not None:
        return envelope.body.encode()
    try:
        return base64.b64decode(envelope.body_base64 or "", validate=True)
    except ValueError as error:
        raise _bad(path, f"body_base64: {error}") from None


def _bad(path: Path, what: str) -> ImpulsumError:
    return ImpulsumError(
        Category.BAD_DATA,
        what,
        where=f"drop file {ascii(path.name)[1:-1][:120]}",
        safe="Other files are processed as usual.",
        next_step="see docs/drop-files.md for the format, correct the producer, and write the file again.",
    )
