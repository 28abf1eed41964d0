"""What a webhook says, in words that are the same for every source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

import orjson

from impulsum_pipelines.base.sanitize import without_secrets
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.webhooks.readers import Reading, readers
from impulsum_pipelines.webhooks.readers.document import MOST_ELEMENTS, Document, parsed
from impulsum_pipelines.webhooks.receiving.envelope import EARLIEST
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS, content_key, token

#: Clocks differ. A time that is further ahead, or before :data:`EARLIEST`, says nothing.
AHEAD = timedelta(minutes=5)

#: Characters that are kept of a title, an address, and a type, name or subject; subjects of one event.
TITLE, ADDRESS, NAME, SUBJECTS = 300, 2000, 200, 50

_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


@dataclass(frozen=True)
class Event:
    """One delivery, read.

    Args:
        source: name of the source.
        key: the vendor's delivery id, or a hash of the content where the vendor gives none.
        type: the vendor's name of what happened.
        occurred_at: the event's own time, UTC; ``received_at`` where it says none that can be true.
        received_at: when the producer had it, UTC.
        subjects: what it is about, the nearest first; then what its texts name.
        title: what it says, in one line.
        url: where people look at it.
        actor: account id or login.
        facts: flat facts that rules speak of: texts, numbers, booleans, times, and tuples of texts.
        content: hash of what it says, the same when the same is said under another delivery id.
        body: the JSON as it was received, but for secrets in it, which are struck out; of a form, its JSON.
    """

    source: str
    key: str
    type: str
    occurred_at: datetime
    received_at: datetime
    subjects: tuple[str, ...]
    title: str | None
    url: str | None
    actor: str | None
    facts: Mapping[str, Any]
    content: str = ""
    body: str = ""


def read(source: str, headers: Mapping[str, str], body: bytes, received_at: datetime, delivery: str | None) -> Event:
    """Read one body. Unknown types and unknown or missing fields are no error: what is known is said.

    Args:
        source: name of the source.
        headers: of the request; names in any case.
        body: as it was received: a JSON object, or a form whose field ``payload`` holds one.
        received_at: when the producer had it.
        delivery: the delivery id as the producer says it; it goes before what headers and body say.

    Raises:
        ImpulsumError: of category bad data, when this is no event: no JSON object, another form, a handshake, or of
            a source that nobody knows.
    """
    reader = readers().get(source)
    if reader is None:
        raise _refused(f"The source {source[:NAME]!r} is unknown", "use one of " + ", ".join(readers()) + ".")
    names = {str(name).lower(): str(value) for name, value in headers.items()}
    said = _json(body, names.get("content-type", ""), source)
    fields = _object(said, source)
    try:
        reading = reader.read(Document(fields), names)
    except ValueError as error:
        raise _refused(str(error), "keep it out of the inbox: it is answered when it is received.", source) from None
    occurred_at = _believed(reading.occurred_at, received_at)
    return Event(
        source=source,
        key=token(delivery) or VENDORS[source].delivery(names, fields) or content_key(body),
        type=_line(reading.type, NAME) or "unknown",
        occurred_at=occurred_at,
        received_at=received_at.astimezone(UTC),
        subjects=_subjects(reading),
        title=_line(reading.title),
        url=_address(reading.url),
        actor=_line(reading.actor, NAME),
        facts={
            "age_hours": round((received_at - occurred_at) / timedelta(hours=1), 3),
            "occurred_at": occurred_at,
            **{name: value for name, value in reading.facts.items() if value is not None},
        },
        content=_content(fields, reader.volatile),
        body=without_secrets(said.decode()),
    )


def _json(body: bytes, content_type: str, source: str) -> bytes:
    """What should be JSON in a body: all of it but a byte order mark, or a field of a form."""
    if "form-urlencoded" in content_type or body.startswith(b"payload="):
        body = _payload(body, source)
    return body.removeprefix(b"\xef\xbb\xbf")


def _object(body: bytes, source: str) -> dict[str, Any]:
    try:
        value = parsed(body)
    except ValueError as error:
        what = error if body.strip() else "empty"
        raise _refused(f"The body is {what}", "correct the producer; the file holds what it wrote.", source) from None
    if not isinstance(value, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a single value")
        raise _refused(f"The body is {kind}, not a JSON object", "correct the producer.", source)
    return value


def _payload(body: bytes, source: str) -> bytes:
    """The JSON in a form. What people type as a command comes as a form too, and is no event."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=100)
    except ValueError as error:
        raise _refused(f"The form cannot be read: {error}", "correct the producer.", source) from None
    if "payload" not in fields:
        raise _refused(
            "The body is a form without JSON in a field payload, as slash commands are",
            "let the vendor send events as JSON; commands are not supported.",
            source,
        )
    return fields["payload"][0].encode()


def _refused(what: str, next_step: str, source: str = "") -> ImpulsumError:
    return ImpulsumError(Category.BAD_DATA, what, where=f"webhook of {source}" if source else "", next_step=next_step)


def _believed(said: datetime | None, received_at: datetime) -> datetime:
    if said is None or not EARLIEST <= said <= received_at + AHEAD:
        said = received_at
    return said.astimezone(UTC)


def _subjects(reading: Reading) -> tuple[str, ...]:
    texts = tuple(filter(None, reading.texts))
    named = (subject for text in texts for reader in readers().values() for subject in reader.mentioned(text))
    found = dict.fromkeys(_line(subject, NAME) for subject in (*reading.subjects, *islice(named, MOST_ELEMENTS)))
    return tuple(filter(None, found))[:SUBJECTS]


def _line(text: str | None, longest: int = TITLE) -> str | None:
    line = " ".join(_clean(text[: 4 * longest]).split()) if text else ""
    return (line if len(line) <= longest else f"{line[: longest - 1]}…") or None


def _clean(text: str) -> str:
    """Fit for any database: without zero characters and halves of characters."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _address(url: str | None) -> str | None:
    """An address that is safe to show as a link."""
    return url if url and len(url) <= ADDRESS and _ADDRESS.fullmatch(url) else None


def _content(fields: dict[str, Any], volatile: frozenset[str]) -> str:
    lasting = {name: value for name, value in fields.items() if name not in volatile}
    return hashlib.sha256(orjson.dumps(lasting, option=orjson.OPT_SORT_KEYS)).hexdigest()
