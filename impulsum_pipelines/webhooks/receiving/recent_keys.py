"""Keys of recent deliveries, so that a repeated delivery is not written twice."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any


class RecentKeys:
    """Remembers, in this process and for some time, for which keys work was done.

    This only saves repeated work. The guarantee that an event is stored once comes from the unique key in the ops
    store. Use it from one event loop.

    Args:
        seconds: how long a key is remembered.
        most: how many keys are remembered; the oldest are forgotten first.
    """

    def __init__(self, seconds: float = 3 * 3600, most: int = 20_000) -> None:
        self._seconds = seconds
        self._most = most
        self._done: OrderedDict[Hashable, tuple[float, asyncio.Future[Any]]] = OrderedDict()

    async def once(self, key: Hashable, work: Callable[[], Awaitable[Any]]) -> bool:
        """Do the work unless it was already done for this key. Returns True when this call did it.

        When another call has already begun it, this waits for that one. An error is raised in every waiting call, and
        the key is forgotten.
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
