"""Work off the inbox: every drop file is committed once, judged, alerted on where it must be, and moved away.

An event, its incident and its alert are one transaction; the file is moved after it. A crash in between means that
the file is read again, found held, and moved. So any number of processes may work off one inbox.
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
from impulsum_pipelines.webhooks.events.event import Event, read
from impulsum_pipelines.webhooks.events.incidents import Place
from impulsum_pipelines.webhooks.events.journal import Arrival, record
from impulsum_pipelines.webhooks.events.resolving import alert_key, end_said
from impulsum_pipelines.webhooks.events.rules import PRIORITIES
from impulsum_pipelines.webhooks.events.triage import Verdict, judge, rules
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines.webhooks.receiving.dropfiles import DropFile

log = logging.getLogger(__name__)

#: Files that are looked at before any is committed, so that what is urgent overtakes the rest; and of one commit.
LOOKED_AT, COMMITTED_AT_ONCE = 500, 50
#: Bytes of bodies after which no more files are looked at in a round, for they are held in memory until its end.
LARGEST_ROUND = 4 * dropfiles.LARGEST

#: What people hear of. The others are kept and can be asked for.
ALERTED = ("P0", "P1", "P2")

#: For so long an acknowledgement answers what urgent events come: then it is told again.
ANSWERED_FOR = timedelta(hours=12)


@dataclass
class InboxResult:
    """What was done, in files.

    Args:
        committed: new events.
        repeated: deliveries of an event that is held already.
        failed: files that hold no event; they are in ``failed/``.
        left: what the disk does not let us read or move: it stays in ``incoming/``, and is tried again each round.
        urgent: sources of the new events of P0 and P1: whoever waits for these need not wait longer.
    """

    committed: int = 0
    repeated: int = 0
    failed: int = 0
    left: int = 0
    urgent: set[str] = field(default_factory=set)

    @property
    def files(self) -> int:
        """Files that are no longer waiting."""
        return self.committed + self.repeated + self.failed

    def add(self, other: InboxResult) -> None:
        """Count another round."""
        self.committed += other.committed
        self.repeated += other.repeated
        self.failed += other.failed
        self.left = other.left  # the same ones, round by round
        self.urgent |= other.urgent


@dataclass(frozen=True)
class _Judged:
    file: DropFile
    event: Event
    verdict: Verdict


def process_inbox(settings: Settings) -> InboxResult:
    """One round: the oldest files that wait, the most urgent first.

    Raises:
        ImpulsumError: the rules cannot be used, or the ops store is out of reach; what waits goes on waiting.
    """
    worked = InboxResult()
    ready = list(_judged(settings, worked))
    ready.sort(key=lambda judged: PRIORITIES.index(judged.verdict.priority))  # stable: the oldest first in each
    for start in range(0, len(ready), COMMITTED_AT_ONCE):
        _commit(settings, ready[start : start + COMMITTED_AT_ONCE], worked)
    return worked


def _judged(settings: Settings, worked: InboxResult) -> Iterator[_Judged]:
    book, size = rules(settings), 0
    for path in dropfiles.waiting(Home.of(settings), LOOKED_AT):
        try:
            file = dropfiles.read(path)
            event = read(file.source, file.headers, file.body, file.received_at, file.delivery)
            verdict = judge(event, book)
        except FileNotFoundError:
            continue  # another process was here
        except OSError as error:
            _leave(path, error, worked)
        except ImpulsumError as error:
            _refuse(path, error.what, worked)
        except Exception as error:
            log.exception("drop file %a cannot be read", path.name)
            _refuse(path, f"It cannot be read: {type(error).__name__}; report this", worked)
        else:
            yield _Judged(file, event, verdict)
            size += len(file.body)
            if size > LARGEST_ROUND:
                return


def _commit(settings: Settings, some: Sequence[_Judged], worked: InboxResult) -> None:
    """Commit them together; if the store refuses what one of them says, each by itself.

    Only values that it cannot hold are a file's fault. Whatever else it says, the files wait for its repair.
    """
    try:
        new = _written(settings, some)
    except (sa.exc.StatementError, ValueError, OverflowError) as error:
        if isinstance(error, sa.exc.DBAPIError) and not isinstance(error, sa.exc.DataError):
            raise
        if len(some) == 1:
            _refuse(some[0].file.path, f"The store does not take it: {type(error).__name__}; report this", worked)
            return
        for one in some:
            _commit(settings, [one], worked)
        return
    worked.urgent |= {judged.file.source for judged in new if judged.verdict.priority in URGENT}
    worked.committed += len(new)
    known = {judged.file.path for judged in new}
    for judged in some:
        is_moved = _move(judged.file.path, "done", "", worked)
        worked.repeated += is_moved and judged.file.path not in known


def _written(settings: Settings, some: Sequence[_Judged]) -> list[_Judged]:
    """Those that are new, committed. Who wrote the same row at the same instant is found by a second try."""
    try:
        with transaction(settings) as connection:
            return _record(connection, some, settings)
    except sa.exc.IntegrityError:
        with transaction(settings) as connection:
            return _record(connection, some, settings)


def _refuse(path: Path, reason: str, worked: InboxResult) -> None:
    if _move(path, "failed", reason, worked):
        log.warning("drop file %a: %s", path.name, reason)
        worked.failed += 1


def _move(path: Path, to: Literal["done", "failed"], reason: str, worked: InboxResult) -> bool:
    try:
        dropfiles.move(path, to, reason)
    except OSError as error:
        _leave(path, error, worked)
        return False
    return True


def _leave(path: Path, error: OSError, worked: InboxResult) -> None:
    """Let it lie this round: one that cannot be read or moved, such as another user's folder, holds up no other."""
    _warn_once(path, error.strerror or type(error).__name__)
    worked.left += 1


@lru_cache(maxsize=LOOKED_AT)
def _warn_once(path: Path, reason: str) -> None:
    log.warning("drop file %a stays where it is: %s", path.name, reason)


def _record(connection: sa.Connection, some: Sequence[_Judged], settings: Settings) -> list[_Judged]:
    """Those that are new."""
    now = datetime.now(UTC)
    arrivals = [
        Arrival(one.event, one.verdict, one.file.path.name, one.file.headers, one.file.signature) for one in some
    ]
    new = []
    for judged, recorded in zip(some, record(connection, arrivals, committed_at=now), strict=True):
        if recorded is None:
            continue
        new.append(judged)
        if recorded.place is not None:
            _alert(connection, judged, recorded.event, recorded.place, now, settings)
    return new


def _alert(
    connection: sa.Connection, judged: _Judged, event_id: int, place: Place, now: datetime, settings: Settings
) -> None:
    event, verdict = judged.event, judged.verdict
    key = alert_key(place.incident)
    if place.absorbed:
        merge_alerts(connection, key, [alert_key(gone) for gone in place.absorbed], at=now, settings=settings)
    if verdict.priority in ALERTED:
        raised = Problem(
            key=key,
            kind="event",
            priority=verdict.priority,
            title=event.title or f"{event.source}: {event.type}",
            detail=f"{verdict.why} ({event.source} {event.type}, {event.occurred_at:%Y-%m-%d %H:%M:%S} UTC).",
            evidence={"events": [event_id], "links": [event.url] if event.url else []},
            acknowledged_since=now - ANSWERED_FOR if verdict.priority in URGENT else None,
        )
        raise_alert(connection, raised, at=now, settings=settings)
    end_said(connection, event, event_id, place.incident, at=now, settings=settings)
