"""A JSON object that somebody else wrote, read without trust.

Whatever is missing or of another type than expected is None, an empty text or an empty list: a reader names what it
looks for, and never asks whether it is there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import as_datetime

#: Lists and objects may stand within each other so deep.
DEEPEST = 100

#: Characters of one text, and elements of one list, that are read: a huge value says no more than its beginning.
LONGEST_TEXT, MOST_ELEMENTS = 20_000, 200


def parsed(data: bytes) -> Any:
    """The JSON in these bytes.

    Raises:
        ValueError: in words that go after "it is": not JSON, or nested deeper than ``DEEPEST``.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if _is_deeper(value, DEEPEST):
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    return value


class Document:
    """A part of a body. A path is the names that lead to a value: ``text("issue", "fields", "summary")``."""

    __slots__ = ("_fields",)

    def __init__(self, value: object) -> None:
        self._fields: dict[str, Any] = value if isinstance(value, dict) else {}

    def __bool__(self) -> bool:
        return bool(self._fields)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def names(self) -> tuple[str, ...]:
        """The names of the fields, the first of very many."""
        return tuple(self._fields)[:MOST_ELEMENTS]

    def value(self, *path: str) -> Any:
        """What stands there, of whatever type."""
        value: Any = self._fields
        for name in path:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    def part(self, *path: str) -> Document:
        """The object that stands there."""
        return Document(self.value(*path))

    def parts(self, *path: str) -> list[Document]:
        """The objects of the list that stands there."""
        value = self.value(*path)
        return [Document(item) for item in value[:MOST_ELEMENTS]] if isinstance(value, list) else []

    def text(self, *path: str) -> str | None:
        """A word, id or text that says something; numbers as text."""
        return _text(self.value(*path))

    def texts(self, *path: str) -> tuple[str, ...]:
        """The words of the list that stands there."""
        value = self.value(*path)
        found = map(_text, value[:MOST_ELEMENTS]) if isinstance(value, list) else ()
        return tuple(word for word in found if word)

    def flag(self, *path: str) -> bool | None:
        """True or false."""
        value = self.value(*path)
        return value if isinstance(value, bool) else None

    def number(self, *path: str) -> float | None:
        """A number."""
        value = self.value(*path)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def moment(self, *path: str) -> datetime | None:
        """An instant, UTC, from ISO 8601 or an epoch in seconds or milliseconds, which may be written as text."""
        value = self.value(*path)
        if isinstance(value, str) and value.replace(".", "", 1).isdecimal() and len(value) <= 20:
            value = float(value)
        return as_datetime(value)


def _text(value: object) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    # PostgreSQL has no such character in its texts.
    return value[:LONGEST_TEXT].replace("\x00", "").strip() or None


def _is_deeper(value: object, most: int) -> bool:
    """Level by level, for a recursion would itself be too deep."""
    level = [value]
    for _ in range(most):
        level = [
            part
            for holder in level
            if isinstance(holder, dict | list)
            for part in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True
