"""How long to leave alone what failed: longer with each failure in a row."""

from __future__ import annotations

from datetime import timedelta

_FIRST, _LONGEST = timedelta(minutes=10), timedelta(hours=6)


def wait_after(failures: int) -> timedelta:
    """From the end of the last of so many failures in a row to the next try."""
    return min(_FIRST * 2 ** (failures - 1), _LONGEST) if failures else timedelta(0)
