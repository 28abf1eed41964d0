"""Slack's limits, counted in real time: calls per minute by method; more are refused with 429 and Retry-After.

https://docs.slack.dev/apis/web-api/rate-limits: the tiers count calls of one method for one app in one workspace.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque

#: Calls per minute by method.
TIERS = {
    "auth.test": 300,
    "conversations.list": 20,
    "conversations.history": 50,
    "conversations.replies": 50,
    "conversations.members": 100,
    "users.list": 20,
}


class SlackLimits:
    """Counts calls by method, and refuses those beyond the limit."""

    def __init__(self) -> None:
        self.per_period = dict(TIERS)
        #: Seconds over which calls are counted; the published limits are per minute.
        self.period = 60.0
        self.refused: Counter[str] = Counter()
        self._calls: dict[str, deque[float]] = {name: deque() for name in TIERS}

    def refuse(self, method: str) -> int | None:
        """Seconds after which to ask again; None when the call is within the limit, and is then counted."""
        calls, now = self._calls[method], time.monotonic()
        while calls and calls[0] <= now - self.period:
            calls.popleft()
        if len(calls) < self.per_period[method]:
            calls.append(now)
            return None
        self.refused[method] += 1
        return max(1, math.ceil(calls[0] + self.period - now))
