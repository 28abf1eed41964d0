"""Reading a JSON object that we do not trust.

A value that is missing or has an unexpected type is None, an empty text or an empty list. So a reader only names what
it needs, and never has to check that it exists.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import as_datetime

#: The deepest nesting of lists and objects.
MAX_DEPTH = 100

#: How many characters of a text, and elements of a list, are read: the beginning of a huge value says enough.
MAX_TEXT, MAX_ELEMENTS = 20_000, 200


def parse_json(data: bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: with a text that continues "it is": not JSON, or nested deeper than ``MAX_DEPTH``.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if _is_deeper(value, MAX_DEPTH):
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return value


class Document:
    """An object in a body. A path is the names that lead to a value: ``text("issue", "fields", "summary")``."""

    __slots__ = ("_fields",)

    def __init__(self, value: object) -> None:
        self._fields: dict[str, Any] = value if isinstance(value, dict) else {}

    def __bool__(self) -> bool:
        return bool(self._fields)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def names(self) -> tuple[str, ...]:
        """The names of the fields, at most ``MAX_ELEMENTS``."""
        return tuple(self._fields)[:MAX_ELEMENTS]

    def value(self, *path: str) -> Any:
        """The value at a path, of any type."""
        value: Any = self._fields
        for name in path:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    def child(self, *path: str) -> Document:
        """The object at a path."""
        return Document(self.value(*path))

    def children(self, *path: str) -> list[Document]:
        """The objects in the list at a path."""
        value = self.value(*path)
        return [Document(item) for item in value[:MAX_ELEMENTS]] if isinstance(value, list) else []

    def text(self, *path: str) -> str | None:
        """The text or id at a path, numbers as text; None when it is blank."""
        return _text(self.value(*path))

    def texts(self, *path: str) -> tuple[str, ...]:
        """The texts in the list at a path."""
        value = self.value(*path)
        found = map(_text, value[:MAX_ELEMENTS]) if isinstance(value, list) else ()
        return tuple(text for text in found if text)

    def flag(self, *path: str) -> bool | None:
        """The boolean at a path."""
        value = self.value(*path)
        return value if isinstance(value, bool) else None

    def number(self, *path: str) -> float | None:
        """The number at a path."""
        value = self.value(*path)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def timestamp(self, *path: str) -> datetime | None:
        """The time at a path, UTC, from ISO 8601 or an epoch in seconds or milliseconds, also when written as text."""
        value = self.value(*path)
        if isinstance(value, str) and value.replace(".", "", 1).isdecimal() and len(value) <= 20:
            value = float(value)
        return as_datetime(value)


def _text(value: object) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    # PostgreSQL cannot store a zero character in a text.
    return value[:MAX_TEXT].replace("\x00", "").strip() or None


def _is_deeper(value: object, most: int) -> bool:
    """Whether a value is nested deeper than ``most``. Goes level by level: a recursion would itself be too deep."""
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
