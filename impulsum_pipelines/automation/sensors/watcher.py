"""Process the inbox in a thread of the code server, also between two ticks of the sensor ``inbox``.

Dagster starts a tick up to 5 s after the last one ended, and requests runs only when a tick ends. If the tick itself
processed the inbox, nothing would be processed in these seconds. So a tick only keeps this thread running for
:data:`LINGER` more seconds, and takes its results. Without ticks (the sensor is off, the daemon is down) the thread
ends by itself.
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

#: Seconds that the thread runs after the last tick: longer than a tick and the pause after it on a busy machine.
LINGER = 60.0
#: Seconds between two checks of the inbox, and between two deliveries of notifications while nothing arrives.
CHECK_EVERY, NOTIFY_EVERY = 0.05, 25.0
#: Seconds to the next check when only files wait that can neither be read nor moved: each check tries them again.
STUCK = 1.0


class Watcher:
    """A thread that processes the inbox, and its results since they were last taken.

    Args:
        settings: the settings; each settings object needs its own watcher.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._urgent = threading.Event()
        self._thread: threading.Thread | None = None
        self._until = 0.0
        self._result = InboxResult()
        self._failed: Exception | None = None

    def watch(self, seconds: float) -> None:
        """Keep the thread running for this many seconds from now, and start it if necessary."""
        with self._lock:
            self._until = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
                self._thread.start()

    def wait_for_urgent(self, seconds: float) -> bool:
        """Wait for an urgent event or a failure, at most this many seconds; returns whether there is one."""
        return self._urgent.wait(seconds)

    def take(self) -> InboxResult:
        """The results since the last call.

        Raises:
            Exception: the error that ended the thread; the next :meth:`watch` starts it again.
        """
        with self._lock:
            self._urgent.clear()
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            result, self._result = self._result, InboxResult()
            return result

    def stop(self) -> None:
        """End the thread after the files that it is processing."""
        with self._lock:
            self._until, thread = 0.0, self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="deliver") as messenger:
                self._work(messenger)
        except Exception as error:  # noqa: BLE001  # the next call of take() raises it
            with self._lock:
                self._thread, self._failed = None, error
            self._urgent.set()

    def _work(self, messenger: ThreadPoolExecutor) -> None:
        home = Home.of(self.settings)
        sending, sent_at = messenger.submit(send_notifications, self.settings), time.monotonic()
        while self._continues():
            result = process_inbox(self.settings) if waiting(home, 1) else InboxResult()
            self._add(result)
            has_files = bool(result.files)
            if (has_files or time.monotonic() - sent_at > NOTIFY_EVERY) and _has_started(sending):
                sending, sent_at = messenger.submit(send_notifications, self.settings), time.monotonic()
            if not has_files:
                time.sleep(STUCK if result.left else CHECK_EVERY)

    def _continues(self) -> bool:
        with self._lock:
            if time.monotonic() < self._until:
                return True
            self._thread = None
            return False

    def _add(self, result: InboxResult) -> None:
        with self._lock:
            self._result.add(result)
        if result.urgent:
            self._urgent.set()


@lru_cache(maxsize=1)
def get_watcher(settings: Settings) -> Watcher:
    """The watcher of this process. New settings get a new watcher, and the old one ends by itself."""
    return Watcher(settings)


def _has_started(sending: Future[None]) -> bool:
    """Whether the last delivery has started. One that has not will also send what is new, so no queue grows."""
    return sending.running() or sending.done()


def send_notifications(settings: Settings) -> None:
    """Resolve quiet incidents, escalate, and deliver what is due. Errors are logged; the next call tries again."""
    try:
        with transaction(settings) as connection:
            now = datetime.now(UTC)
            resolve_quiet(connection, settings, now)
            escalate(connection, settings, now)
        deliver(settings)
    except Exception:
        log.exception("notifications could not be delivered; they are stored, and tried again")
