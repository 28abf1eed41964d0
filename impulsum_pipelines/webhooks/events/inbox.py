"""Process the inbox: read each drop file, classify its event, store it once, raise its alert, and move the file.

An event, its incident and its alert are one transaction; the file is moved afterwards. After a crash in between, the
file is read again, found stored, and moved. So any number of processes may work on one inbox.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from impulsum_pipelines.alerts.lifecycle import Problem, raise_alert
from impulsum_pipelines.alerts.merging import merge_alerts
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.ops.schema import URGENT
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.events.event import Event, read_event
from impulsum_pipelines.webhooks.events.incidents import Placement
from impulsum_pipelines.webhooks.events.journal import Arrival, record_events
from impulsum_pipelines.webhooks.events.resolving import alert_key, resolve_when_done
from impulsum_pipelines.webhooks.events.rules import EVENT_PRIORITIES
from impulsum_pipelines.webhooks.events.triage import Classification, classify, load_rules
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines.webhooks.receiving.dropfiles import DropFile

log = logging.getLogger(__name__)

#: Files read before any is committed, so that urgent events overtake the rest; and files per commit.
MAX_FILES_PER_ROUND, MAX_FILES_PER_COMMIT = 500, 50
#: Bytes of bodies after which a round reads no more files: they stay in memory until its end.
MAX_BYTES_PER_ROUND = 4 * dropfiles.MAX_BYTES

#: Priorities that raise an alert. Other events are only stored.
ALERTED = ("P0", "P1", "P2")

#: An acknowledgement covers later urgent events for this time; after it, an urgent event is notified again.
ACKNOWLEDGED_FOR = timedelta(hours=12)


@dataclass
class InboxResult:
    """What was done, counted in files.

    Args:
        committed: new events.
        repeated: deliveries of an event that was already stored.
        failed: files without an event; they are in ``failed/``.
        left: files that cannot be read or moved; they stay in ``incoming/`` and are tried again each round.
        urgent: sources of the new P0 and P1 events; these sources should be pulled now.
    """

    committed: int = 0
    repeated: int = 0
    failed: int = 0
    left: int = 0
    urgent: set[str] = field(default_factory=set)

    @property
    def files(self) -> int:
        """How many files left ``incoming/``."""
        return self.committed + self.repeated + self.failed

    def add(self, other: InboxResult) -> None:
        """Add the counts of another round."""
        self.committed += other.committed
        self.repeated += other.repeated
        self.failed += other.failed
        self.left = other.left  # the same files in each round
        self.urgent |= other.urgent


@dataclass(frozen=True)
class _Classified:
    file: DropFile
    event: Event
    classification: Classification


def process_inbox(settings: Settings) -> InboxResult:
    """Process one round of waiting files: the oldest are read, and the most urgent of these are committed first.

    Raises:
        ImpulsumError: the rules cannot be used, or the ops store is not available; the files stay in the inbox.
    """
    result = InboxResult()
    ready = list(_read_waiting(settings, result))
    # The sort is stable: within a priority the oldest stays first.
    ready.sort(key=lambda one: EVENT_PRIORITIES.index(one.classification.priority))
    for start in range(0, len(ready), MAX_FILES_PER_COMMIT):
        _commit(settings, ready[start : start + MAX_FILES_PER_COMMIT], result)
    return result


def _read_waiting(settings: Settings, result: InboxResult) -> Iterator[_Classified]:
    rules, size = load_rules(settings), 0
    for path in dropfiles.waiting(Home.of(settings), MAX_FILES_PER_ROUND):
        try:
            file = dropfiles.read_dropfile(path)
            event = read_event(file.source, file.headers, file.body, file.received_at, file.delivery)
            classification = classify(event, rules)
        except FileNotFoundError:
            continue  # another process has already moved it
        except OSError as error:
            _leave(path, error, result)
        except ImpulsumError as error:
            _reject(path, error.what, result)
        except Exception as error:
            log.exception("drop file %a cannot be read", path.name)
            _reject(path, f"It cannot be read: {type(error).__name__}; please report this error", result)
        else:
            yield _Classified(file, event, classification)
            size += len(file.body)
            if size > MAX_BYTES_PER_ROUND:
                return


def _commit(settings: Settings, some: Sequence[_Classified], result: InboxResult) -> None:
    """Commit some events together; if the ops store cannot store a value, commit each event by itself.

    Only a value that cannot be stored is the fault of a file. After any other error of the store, the files wait.
    """
    try:
        new = _store(settings, some)
    except (sa.exc.StatementError, ValueError, OverflowError) as error:
        if isinstance(error, sa.exc.DBAPIError) and not isinstance(error, sa.exc.DataError):
            raise
        if len(some) == 1:
            reason = f"The ops store cannot store it: {type(error).__name__}; please report this error"
            _reject(some[0].file.path, reason, result)
            return
        for one in some:
            _commit(settings, [one], result)
        return
    result.urgent |= {one.file.source for one in new if one.classification.priority in URGENT}
    result.committed += len(new)
    committed = {one.file.path for one in new}
    for one in some:
        is_moved = _move(one.file.path, "done", "", result)
        result.repeated += is_moved and one.file.path not in committed


def _store(settings: Settings, some: Sequence[_Classified]) -> list[_Classified]:
    """Commit the new events and return them. If another process inserts the same row first, the second try sees it."""
    try:
        with transaction(settings) as connection:
            return _record(connection, some, settings)
    except sa.exc.IntegrityError:
        with transaction(settings) as connection:
            return _record(connection, some, settings)


def _reject(path: Path, reason: str, result: InboxResult) -> None:
    if _move(path, "failed", reason, result):
        log.warning("drop file %a: %s", path.name, reason)
        result.failed += 1


def _move(path: Path, to: Literal["done", "failed"], reason: str, result: InboxResult) -> bool:
    try:
        dropfiles.move(path, to, reason)
    except OSError as error:
        _leave(path, error, result)
        return False
    return True


def _leave(path: Path, error: OSError, result: InboxResult) -> None:
    """Leave a file that cannot be read or moved, such as another user's folder, so that it blocks no other file."""
    _warn_once(path, error.strerror or type(error).__name__)
    result.left += 1


@lru_cache(maxsize=MAX_FILES_PER_ROUND)
def _warn_once(path: Path, reason: str) -> None:
    log.warning("drop file %a stays in the inbox: %s", path.name, reason)


def _record(connection: sa.Connection, some: Sequence[_Classified], settings: Settings) -> list[_Classified]:
    """Store the events and raise their alerts, in the caller's transaction; returns the new ones."""
    now = datetime.now(UTC)
    arrivals = [
        Arrival(one.event, one.classification, one.file.path.name, one.file.headers, one.file.signature) for one in some
    ]
    new = []
    for one, recorded in zip(some, record_events(connection, arrivals, committed_at=now), strict=True):
        if recorded is None:
            continue
        new.append(one)
        if recorded.placement is not None:
            _alert(connection, one, recorded.event, recorded.placement, now, settings)
    return new


def _alert(
    connection: sa.Connection, one: _Classified, event_id: int, placement: Placement, now: datetime, settings: Settings
) -> None:
    event, classification = one.event, one.classification
    key = alert_key(placement.incident)
    if placement.absorbed:
        merge_alerts(connection, key, [alert_key(gone) for gone in placement.absorbed], at=now, settings=settings)
    if classification.priority in ALERTED:
        raised = Problem(
            key=key,
            kind="event",
            priority=classification.priority,
            title=event.title or f"{event.source}: {event.type}",
            detail=f"{classification.why} ({event.source} {event.type}, {event.occurred_at:%Y-%m-%d %H:%M:%S} UTC).",
            evidence={"events": [event_id], "links": [event.url] if event.url else []},
            acknowledged_since=now - ACKNOWLEDGED_FOR if classification.priority in URGENT else None,
        )
        raise_alert(connection, raised, at=now, settings=settings)
    resolve_when_done(connection, event, event_id, placement.incident, at=now, settings=settings)
