"""Durations in words."""

from __future__ import annotations

from datetime import timedelta


def humanize(length: timedelta) -> str:
    """A duration in words, in the two largest units: ``3 h 12 min``."""
    rest, parts = max(0, int(length / timedelta(seconds=1))), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if rest >= size:
            parts.append(f"{rest // size} {unit}")
        rest %= size
    return " ".join(parts[:2]) or "0 s"
