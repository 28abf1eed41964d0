"""Works off the inbox in a thread of the code server, also between two ticks of its sensor.

Dagster begins a tick up to 5 s after the last one ended, and asks for runs only when a tick ends: a tick that worked
off the inbox itself would leave it alone for those seconds. So a tick only keeps the thread going for :data:`LINGER`
more seconds, and takes what it did. Without ticks (the sensor is off, the daemon is down) it ends by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache

from impulsum_pipelines.alerts.escalation import escalate
from impulsum_pipelines.alerts.outbox import deliver
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.events.inbox import InboxResult, process_inbox
from impulsum_pipelines.webhooks.events.resolving import resolve_quiet
from impulsum_pipelines.webhooks.receiving.dropfiles import waiting

log = logging.getLogger(__name__)

#: Seconds that the thread outlives the last tick: more than a tick and the pause after it take on a busy machine.
LINGER = 60.0
#: Seconds between two looks at the inbox, and between two looks at what is due to be told though nothing came in.
LOOK_EVERY, TELL_EVERY = 0.05, 25.0
#: Seconds to the next look while all that waits is what can be neither read nor moved: each look tries it again.
STUCK = 1.0


class Watcher:
    """The thread, and what it has done since that was last taken.

    Args:
        settings: the settings; of other ones there must be another watcher.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._urgent = threading.Event()
        self._thread: threading.Thread | None = None
        self._until = 0.0
        self._worked = InboxResult()
        self._failed: Exception | None = None

    def watch(self, seconds: float) -> None:
        """Go on for so long from now, and begin if need be."""
        with self._lock:
            self._until = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
                self._thread.start()

    def wait_for_urgent(self, seconds: float) -> bool:
        """Wait until there is something urgent to take, or the work failed, or the time is over; whether there is."""
        return self._urgent.wait(seconds)

    def take(self) -> InboxResult:
        """What was done since the last call.

        Raises:
            Exception: the work ended with it; the next :meth:`watch` begins again.
        """
        with self._lock:
            self._urgent.clear()
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            worked, self._worked = self._worked, InboxResult()
            return worked

    def stop(self) -> None:
        """End the thread, after the files in its hands."""
        with self._lock:
            self._until, thread = 0.0, self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="deliver") as messenger:
                self._work(messenger)
        except Exception as error:  # noqa: BLE001  # whoever takes next raises it
            with self._lock:
                self._thread, self._failed = None, error
            self._urgent.set()

    def _work(self, messenger: ThreadPoolExecutor) -> None:
        home, telling, told_at = Home.of(self.settings), messenger.submit(tell, self.settings), time.monotonic()
        while self._goes_on():
            worked = process_inbox(self.settings) if waiting(home, 1) else InboxResult()
            self._count(worked)
            came_in = bool(worked.files)
            if (came_in or time.monotonic() - told_at > TELL_EVERY) and _is_free(telling):
                telling, told_at = messenger.submit(tell, self.settings), time.monotonic()
            if not came_in:
                time.sleep(STUCK if worked.left else LOOK_EVERY)

    def _goes_on(self) -> bool:
        with self._lock:
            if time.monotonic() < self._until:
                return True
            self._thread = None
            return False

    def _count(self, worked: InboxResult) -> None:
        with self._lock:
            self._worked.add(worked)
        if worked.urgent:
            self._urgent.set()


@lru_cache(maxsize=1)
def the_watcher(settings: Settings) -> Watcher:
    """The one of this process. With other settings there is another, and the old one ends by itself."""
    return Watcher(settings)


def _is_free(telling: Future[None]) -> bool:
    """Whether another may be asked for. One that has not begun yet tells of this, too: no queue may grow."""
    return telling.running() or telling.done()


def tell(settings: Settings) -> None:
    """Deliver what is due. What fails is tried again by the next call; the inbox does not wait for it."""
    try:
        with transaction(settings) as connection:
            now = datetime.now(UTC)
            resolve_quiet(connection, settings, now)
            escalate(connection, settings, now)
        deliver(settings)
    except Exception:
        log.exception("notifications could not be delivered; they are tried again")
