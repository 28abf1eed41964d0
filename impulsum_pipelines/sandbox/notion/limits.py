"""Notion's request limit, counted in real time: requests in any 60 seconds, at any pace.

https://developers.notion.com/reference/request-limits (an average of three per second in the older text; a budget per
60 seconds, by plan, in the newer one). 180 in any 60 seconds obeys both.
"""

from __future__ import annotations

import math
import time
from collections import deque

WINDOW_SECONDS = 60.0
PER_WINDOW = 180


class NotionLimits:
    """Counts the requests of the last minute, and refuses those beyond the limit."""

    def __init__(self) -> None:
        self.per_window = PER_WINDOW
        self.refused = 0
        self._times: deque[float] = deque()

    def refuse(self) -> int | None:
        """Seconds to wait when the budget is used up; None when the request may pass, and is then counted."""
        now = time.monotonic()
        while self._times and self._times[0] <= now - WINDOW_SECONDS:
            self._times.popleft()
        if len(self._times) < self.per_window:
            self._times.append(now)
            return None
        self.refused += 1
        return max(1, math.ceil(self._times[0] + WINDOW_SECONDS - now))
