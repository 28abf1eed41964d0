"""The sandbox's clock: it runs with real time, and can be set, moved and frozen."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def to_ms(moment: datetime) -> int:
    """Epoch milliseconds of an aware time."""
    return round(moment.timestamp() * 1000)


def to_datetime(ms: int) -> datetime:
    """The UTC time of epoch milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


class Clock:
    """The time of all services, in epoch milliseconds.

    Args:
        start: where the clock starts, aware; the real time when None.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = 0 if start is None else to_ms(start) - _real_ms()
        self._frozen_at: int | None = None
        self._last_edit = 0

    def now(self) -> int:
        """The time now; never earlier than the latest edit."""
        flowing = _real_ms() + self._offset if self._frozen_at is None else self._frozen_at
        return max(flowing, self._last_edit)

    def tick(self) -> int:
        """The time for an edit that happens now: no two edits share a millisecond, even while the clock is frozen."""
        self._last_edit = max(self.now(), self._last_edit + 1)
        return self._last_edit

    def set(self, moment: datetime) -> None:
        """Move the clock to a time, forwards or backwards; a frozen clock stays frozen there."""
        self._last_edit = 0
        if self._frozen_at is None:
            self._offset = to_ms(moment) - _real_ms()
        else:
            self._frozen_at = to_ms(moment)

    def advance(self, seconds: float) -> None:
        """Move the clock by seconds."""
        self.set(to_datetime(self.now() + round(seconds * 1000)))

    def freeze(self, frozen: bool = True) -> None:
        """Stop the clock, or let it run on from where it stands."""
        if frozen:
            self._frozen_at = self.now()
        elif self._frozen_at is not None:
            self._offset = self._frozen_at - _real_ms()
            self._frozen_at = None


def _real_ms() -> int:
    return time.time_ns() // 1_000_000
