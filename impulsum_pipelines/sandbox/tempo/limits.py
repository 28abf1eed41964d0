"""Tempo's request limit, kept against real time whatever the sandbox's clock says."""

from __future__ import annotations

import time
from collections import deque

#: Requests a second: the vendor's page on best practices for its Cloud REST interface.
PER_SECOND = 5


class TempoLimits:
    """Lets :data:`PER_SECOND` requests pass within any second, and counts those that it refuses."""

    def __init__(self) -> None:
        self.refused = 0
        self._most = PER_SECOND
        self._passed: deque[float] = deque(maxlen=self._most)

    def lets_pass(self) -> bool:
        """Whether one more request may pass now."""
        now = time.monotonic()
        if len(self._passed) == self._most and now - self._passed[0] < 1:
            self.refused += 1
            return False
        self._passed.append(now)
        return True
