"""Fireflies' limits, counted in real time: requests per minute and per day.

Vendor page: https://docs.fireflies.ai/fundamentals/limits. A refused request is not counted.
"""

from __future__ import annotations

import time
from collections import deque

PER_MINUTE, PER_DAY = 60, 500
_MINUTE, _DAY = 60.0, 86_400.0


class FirefliesLimits:
    """Counts the requests of the last day, and refuses those beyond the limits."""

    def __init__(self) -> None:
        self.per_minute, self.per_day = PER_MINUTE, PER_DAY
        self.refused = 0
        self._at: deque[float] = deque()

    def wait(self) -> float:
        """Seconds until a request may be answered; 0 when it may be answered now, and is then counted."""
        now = time.time()
        while self._at and self._at[0] <= now - _DAY:
            self._at.popleft()
        recent = [at for at in self._at if at > now - _MINUTE]
        waits = []
        if len(self._at) >= self.per_day:
            waits.append(self._at[-self.per_day] + _DAY - now)
        if len(recent) >= self.per_minute:
            waits.append(recent[-self.per_minute] + _MINUTE - now)
        if waits:
            self.refused += 1
            return max(waits)
        self._at.append(now)
        return 0.0

    def forget(self) -> None:
        """Drop all requests counted so far, as if a new day began."""
        self._at.clear()
