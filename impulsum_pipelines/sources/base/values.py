"""Vendors' values as the types that we store. A value of a wrong type is None in its column; the payload keeps it."""

from __future__ import annotations

from datetime import UTC, date, datetime


def as_datetime(value: object) -> datetime | None:
    """An instant, UTC, from ISO 8601 with any offset or from an epoch (s or ms); None for anything else."""
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            if parsed.tzinfo is UTC:
                return parsed
            return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def as_date(value: object) -> date | None:
    """A date, from text that begins with YYYY-MM-DD; None for anything else."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def as_text(value: object) -> str | None:
    """The value as text; None stays None."""
    return None if value is None else str(value)


def as_float(value: object) -> float | None:
    """A number; None for anything else, also for True and False."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def as_int(value: object) -> int | None:
    """A whole number that fits 64 bits; None for anything else, also for True and False."""
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if is_whole and isinstance(value, int) else None


def text_field(value: object, name: str) -> str | None:
    """``value[name]`` as text; None when the value is no object or has no such field."""
    return as_text(value.get(name)) if isinstance(value, dict) else None
