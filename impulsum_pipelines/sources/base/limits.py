"""One budget per provider, kept on disk and shared by all processes of this machine that send requests to it.

A request waits until the provider's published limit allows it. When the provider asks for a wait, no process sends a
request before it is over. A wait longer than :data:`LONGEST_WAIT` is raised as an error with its end, so that the
caller can release its locks.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from pyrate_limiter import Rate, RateItem, SQLiteBucket

from impulsum_pipelines.errors import Category, ImpulsumError

log = logging.getLogger(__name__)

#: Longest wait, s; for a longer one we raise an error instead of sleeping.
LONGEST_WAIT = 120.0


class Budget:
    """How many requests one provider allows.

    Args:
        folder: where requests are counted; ``IMPULSUM_HOME/limits``.
        provider: the provider's host, so that a sandbox and the real provider are counted separately.
        rates: the limits of one kind of request, by its name; the provider decides which requests share a limit.
    """

    def __init__(self, folder: Path, provider: str, rates: Callable[[str], Sequence[Rate]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^a-z0-9.-]", "_", provider.lower())
        self.provider = provider
        self._counts = folder / f"{name}.sqlite"
        self._pause = folder / f"{name}.until"
        self._rates = rates
        self._buckets: dict[str, SQLiteBucket] = {}
        self._threads = threading.Lock()
        self._processes = FileLock(folder / f"{name}.lock", thread_local=False)

    def take(self, kind: str) -> float:
        """Wait until one more request of this kind may be sent; returns the seconds waited.

        Raises:
            ImpulsumError: of category rate limit, when the wait is longer than :data:`LONGEST_WAIT`.
        """
        waited = 0.0
        while wait := self._try(kind):
            if wait > LONGEST_WAIT:
                raise self._exhausted(wait, f"{self.provider} {kind}")
            time.sleep(wait)
            waited += wait
        return waited

    def pause(self, seconds: float) -> None:
        """The provider asked for a wait: no process sends a request before it is over."""
        with self._threads, self._processes:
            until = max(time.time() + seconds, self._paused_until())
            partial = self._pause.with_suffix(".partial")
            partial.write_text(str(until))
            partial.replace(self._pause)

    def _exhausted(self, wait: float, where: str) -> ImpulsumError:
        """The error that says when the wait ends."""
        until = datetime.fromtimestamp(time.time() + wait, UTC)
        return ImpulsumError(
            Category.RATE_LIMIT,
            f"The budget of {self.provider} is used up until {until:%Y-%m-%d %H:%M:%S} UTC",
            where=where,
            next_step="nothing: the first pull after that continues from the same watermark.",
            retry_after=wait,
        )

    def close(self) -> None:
        """Close the files that count the requests."""
        with self._threads:
            for bucket in self._buckets.values():
                bucket.close()  # type: ignore[no-untyped-call]
            self._buckets.clear()

    def _try(self, kind: str) -> float:
        """Count the request and return 0 when it may be sent now; else the seconds to wait."""
        with self._threads, self._processes:
            if (paused := self._paused_until() - time.time()) > 0:
                return paused
            bucket = self._bucket(kind)
            now = time.time_ns() // 1_000_000
            item = RateItem(kind, now)
            if bucket.put(item):
                return 0.0
            bucket.leak(now)
            return max(float(bucket.waiting(item)), 1.0) / 1000  # type: ignore[arg-type]  # no bucket of ours is async

    def _bucket(self, kind: str) -> SQLiteBucket:
        if kind not in self._buckets:
            table = "kind_" + re.sub(r"[^a-z0-9]", "_", kind.lower())
            bucket = SQLiteBucket.init_from_file(list(self._rates(kind)), table=table, db_path=str(self._counts))
            bucket.conn.execute("pragma synchronous = off")  # a count need not outlive a power cut
            bucket.leak(time.time_ns() // 1_000_000)
            self._buckets[kind] = bucket
        return self._buckets[kind]

    def _paused_until(self) -> float:
        try:
            return float(self._pause.read_text())
        except (FileNotFoundError, ValueError):
            return 0.0
