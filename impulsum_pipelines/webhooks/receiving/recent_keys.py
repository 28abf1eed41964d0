"""What was done a short while ago, so that a repeated delivery is not written twice."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any


class Known:
    """Remembers by key what was done, in this process and for a while: a convenience, no promise.

    Exactly once is what the ops store promises, by its unique key. Use it from one event loop.

    Args:
        seconds: how long a key is known.
        most: how many keys are; the oldest go first.
    """

    def __init__(self, seconds: float = 3 * 3600, most: int = 20_000) -> None:
        self._seconds = seconds
        self._most = most
        self._done: OrderedDict[Hashable, tuple[float, asyncio.Future[Any]]] = OrderedDict()

    async def once(self, key: Hashable, work: Callable[[], Awaitable[Any]]) -> bool:
        """Do the work unless it was done for this key; True when it was done now.

        Returns when the work is done, whoever began it. What it raises is raised to all who wait, and forgotten.
        """
        self._forget()
        if known := self._done.get(key):
            await asyncio.shield(known[1])
            return False
        task = asyncio.ensure_future(work())
        self._done[key] = (time.monotonic(), task)
        task.add_done_callback(lambda done: self._done.pop(key, None) if done.cancelled() or done.exception() else None)
        await asyncio.shield(task)
        return True

    def _forget(self) -> None:
        oldest = time.monotonic() - self._seconds
        while self._done and (len(self._done) >= self._most or next(iter(self._done.values()))[0] < oldest):
            self._done.popitem(last=False)
