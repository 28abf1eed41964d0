"""Slack's limits, held against real time: so many calls of a method a minute, and 429 with Retry-After beyond.

https://docs.slack.dev/apis/web-api/rate-limits: the tiers count calls of one method for one app in one workspace.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque

#: Calls a minute by method.
TIERS = {
    "auth.test": 300,
    "conversations.list": 20,
    "conversations.history": 50,
    "conversations.replies": 50,
    "conversations.members": 100,
    "users.list": 20,
}


class SlackLimits:
    """Counts calls and says which are too many."""

    def __init__(self) -> None:
        self.per_period = dict(TIERS)
        #: Seconds over which calls are counted; a minute, as published.
        self.period = 60.0
        self.refused: Counter[str] = Counter()
        self._calls: dict[str, deque[float]] = {name: deque() for name in TIERS}

    def refuse(self, method: str) -> int | None:
        """None when a call is within the limit, and counted; else the seconds after which to ask again."""
        calls, now = self._calls[method], time.monotonic()
        while calls and calls[0] <= now - self.period:
            calls.popleft()
        if len(calls) < self.per_period[method]:
            calls.append(now)
            return None
        self.refused[method] += 1
        return max(1, math.ceil(calls[0] + self.period - now))
