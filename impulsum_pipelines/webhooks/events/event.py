"""One webhook event, in a form that is the same for every source."""

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
from impulsum_pipelines.webhooks.readers import ParsedBody, readers
from impulsum_pipelines.webhooks.readers.document import MAX_ELEMENTS, Document, parse_json
from impulsum_pipelines.webhooks.receiving.envelope import EARLIEST
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS, content_key, token

#: The largest difference between clocks. A time further ahead, or before :data:`EARLIEST`, is not used.
CLOCK_TOLERANCE = timedelta(minutes=5)

#: The longest title, address, and type, name or subject, in characters; the most subjects of one event.
MAX_TITLE, MAX_ADDRESS, MAX_NAME, MAX_SUBJECTS = 300, 2000, 200, 50

_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


@dataclass(frozen=True)
class Event:
    """One parsed delivery.

    Args:
        source: name of the source.
        key: the vendor's delivery id, or a hash of the body when the vendor gives none.
        type: the vendor's name of what happened.
        occurred_at: the event's own time, UTC; ``received_at`` when it has no plausible time.
        received_at: when the producer received it, UTC.
        subjects: what it is about, the nearest first; then the subjects that its texts name.
        title: one line that says what happened.
        url: address of the subject for people.
        actor: account id or login.
        facts: flat facts for rules: texts, numbers, booleans, times, and tuples of texts.
        content: hash of the lasting fields, the same when the same event arrives under another delivery id.
        body: the JSON as received, with secrets replaced; for a form, the JSON in it.
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


def read_event(
    source: str, headers: Mapping[str, str], body: bytes, received_at: datetime, delivery: str | None
) -> Event:
    """Parse one body. Unknown types and unknown or missing fields are not errors.

    Args:
        source: name of the source.
        headers: of the request; names in any case.
        body: as received: a JSON object, or a form whose field ``payload`` contains one.
        received_at: when the producer received it.
        delivery: the delivery id that the producer gives; it takes precedence over headers and body.

    Raises:
        ImpulsumError: of category *bad data* when this is not an event: not a JSON object, another kind of form, a
            handshake, or from an unknown source.
    """
    reader = readers().get(source)
    if reader is None:
        raise _rejected(f"The source {source[:MAX_NAME]!r} is unknown", "use one of " + ", ".join(readers()) + ".")
    lower = {str(name).lower(): str(value) for name, value in headers.items()}
    text = _json(body, lower.get("content-type", ""), source)
    fields = _object(text, source)
    try:
        parsed = reader.parse(Document(fields), lower)
    except ValueError as error:
        next_step = "do not put it into the inbox: a receiver answers it, and nothing needs to be stored."
        raise _rejected(str(error), next_step, source) from None
    occurred_at = _plausible(parsed.occurred_at, received_at)
    return Event(
        source=source,
        key=token(delivery) or VENDORS[source].delivery_id(lower, fields) or content_key(body),
        type=_line(parsed.type, MAX_NAME) or "unknown",
        occurred_at=occurred_at,
        received_at=received_at.astimezone(UTC),
        subjects=_subjects(parsed),
        title=_line(parsed.title),
        url=_address(parsed.url),
        actor=_line(parsed.actor, MAX_NAME),
        facts={
            "age_hours": round((received_at - occurred_at) / timedelta(hours=1), 3),
            "occurred_at": occurred_at,
            **{name: value for name, value in parsed.facts.items() if value is not None},
        },
        content=_content(fields, reader.volatile),
        body=without_secrets(text.decode()),
    )


def _json(body: bytes, content_type: str, source: str) -> bytes:
    """The JSON of a body: the body without a byte order mark, or a field of its form."""
    if "form-urlencoded" in content_type or body.startswith(b"payload="):
        body = _payload(body, source)
    return body.removeprefix(b"\xef\xbb\xbf")


def _object(body: bytes, source: str) -> dict[str, Any]:
    try:
        value = parse_json(body)
    except ValueError as error:
        what = error if body.strip() else "empty"
        next_step = "correct the producer; the file contains what it wrote."
        raise _rejected(f"The body is {what}", next_step, source) from None
    if not isinstance(value, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a single value")
        raise _rejected(f"The body is {kind}, not a JSON object", "correct the producer.", source)
    return value


def _payload(body: bytes, source: str) -> bytes:
    """The JSON in a form. Slash commands also arrive as a form, and are not events."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=100)
    except ValueError as error:
        raise _rejected(f"The form cannot be read: {error}", "correct the producer.", source) from None
    if "payload" not in fields:
        raise _rejected(
            "The body is a form without JSON in a field payload, like a slash command",
            "let the vendor send events as JSON; commands are not supported.",
            source,
        )
    return fields["payload"][0].encode()


def _rejected(what: str, next_step: str, source: str = "") -> ImpulsumError:
    return ImpulsumError(Category.BAD_DATA, what, where=f"webhook of {source}" if source else "", next_step=next_step)


def _plausible(occurred_at: datetime | None, received_at: datetime) -> datetime:
    """The event's own time in UTC, if it can be true; else the time of receipt."""
    if occurred_at is None or not EARLIEST <= occurred_at <= received_at + CLOCK_TOLERANCE:
        occurred_at = received_at
    return occurred_at.astimezone(UTC)


def _subjects(parsed: ParsedBody) -> tuple[str, ...]:
    texts = tuple(filter(None, parsed.texts))
    named = (subject for text in texts for reader in readers().values() for subject in reader.find_subjects(text))
    found = dict.fromkeys(_line(subject, MAX_NAME) for subject in (*parsed.subjects, *islice(named, MAX_ELEMENTS)))
    return tuple(filter(None, found))[:MAX_SUBJECTS]


def _line(text: str | None, longest: int = MAX_TITLE) -> str | None:
    line = " ".join(_clean(text[: 4 * longest]).split()) if text else ""
    return (line if len(line) <= longest else f"{line[: longest - 1]}…") or None


def _clean(text: str) -> str:
    """The text without what a database may reject: zero characters and halves of characters."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _address(url: str | None) -> str | None:
    """The address, if it is safe to show as a link."""
    return url if url and len(url) <= MAX_ADDRESS and _ADDRESS.fullmatch(url) else None


def _content(fields: dict[str, Any], volatile: frozenset[str]) -> str:
    lasting = {name: value for name, value in fields.items() if name not in volatile}
    return hashlib.sha256(orjson.dumps(lasting, option=orjson.OPT_SORT_KEYS)).hexdigest()
