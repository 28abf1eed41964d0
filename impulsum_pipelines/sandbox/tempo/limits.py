"""Tempo's request limit, counted in real time; the sandbox's clock does not change it."""

from __future__ import annotations

import time
from collections import deque

#: Requests per second, as the vendor's page on best practices for its Cloud REST interface says.
PER_SECOND = 5


class TempoLimits:
    """Lets at most :data:`PER_SECOND` requests pass in any second, and counts the refused ones."""

    def __init__(self) -> None:
        self.refused = 0
        self._most = PER_SECOND
        self._passed: deque[float] = deque(maxlen=self._most)

    def lets_pass(self) -> bool:
        """Whether one more request may pass now; it is then counted."""
        now = time.monotonic()
        if len(self._passed) == self._most and now - self._passed[0] < 1:
            self.refused += 1
            return False
        self._passed.append(now)
        return True
