"""GitHub's limits, counted in real time: a test that asks too fast is refused as GitHub would refuse it.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api: 5,000 requests per hour for a user, of
which an answer with status 304 costs none; and 900 points per minute for one endpoint, of which a GET costs one.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass
class GitHubLimits:
    """How much one token may ask, and how much it has asked.

    Args:
        primary: requests per hour; 0 means no limit, as in a GitHub Enterprise whose limits are off.
        minute: requests per minute to one endpoint.
        status: the status of a refusal; GitHub uses both 403 and 429.
        says_when: whether a refusal by the secondary limit has the header Retry-After.
    """

    primary: int = 5_000
    minute: int = 900
    status: int = 403
    says_when: bool = True
    used: int = 0
    refused: int = 0
    resets: float = field(default_factory=lambda: time.monotonic() + 3600)
    _recent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def take(self, endpoint: str) -> str | None:
        """Count one request; returns None, or the limit that refuses it (``primary`` or ``secondary``)."""
        now = time.monotonic()
        if now >= self.resets:
            self.used, self.resets = 0, now + 3600
        recent = self._recent[endpoint]
        while recent and recent[0] <= now - 60:
            recent.popleft()
        is_used_up = 0 < self.primary <= self.used
        refused = "primary" if is_used_up else "secondary" if len(recent) >= self.minute else None
        if refused:
            self.refused += 1
            return refused
        self.used += 1
        recent.append(now)
        return None

    def give_back(self) -> None:
        """Take back one request from the primary limit: an answer with status 304 costs nothing."""
        self.used -= 1

    def headers(self, clock_ms: int) -> dict[str, str]:
        """The headers about the primary limit in each answer; the time of the reset is by the sandbox's clock."""
        left = max(self.resets - time.monotonic(), 0)
        return {
            "X-RateLimit-Limit": str(self.primary),
            "X-RateLimit-Remaining": str(max(self.primary - self.used, 0)),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Reset": str(int(clock_ms / 1000 + left) + 1),
            "X-RateLimit-Resource": "core",
        }
