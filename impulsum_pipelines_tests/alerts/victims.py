"""Processes that raise and deliver, and kill themselves with kill -9 at a chosen point.

Forked from one that has imported everything, once a worker: importing takes longer than what they do.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.synchronize import Barrier
from typing import Any, NoReturn

import apprise  # noqa: F401 - so that the forks have it
import sqlalchemy as sa

from impulsum_pipelines.alerts import outbox
from impulsum_pipelines.alerts.lifecycle import Raised, raise_alert
from impulsum_pipelines.settings import Settings

#: Points before the channel has the message, and after that is noted: nothing is ever repeated.
KNOWN = ("addressed, not committed", "claimed, not committed", "claimed", "noted")

#: Points in the gap: the channel has it, and we do not know.
UNKNOWN = ("handed over", "noted, not committed")


def kill(point: str, settings: Settings, now: datetime) -> None:
    """Deliver in a process of its own, and die there at this point."""
    victim = _context().Process(target=_deliver, args=(point, settings, now))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL, f"ended with {victim.exitcode} instead of dying at {point}"


def kill_while_raising(settings: Settings, now: datetime) -> None:
    """Raise an alert in a process of its own, and die before the commit."""
    victim = _context().Process(target=_raise, args=(settings, now))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL


def deliver_at_once(processes: int, settings: Settings, now: datetime) -> int:
    """Deliver in several processes that begin together; returns how many messages they say they sent."""
    context = _context()
    start, sent = context.Barrier(processes), context.SimpleQueue()
    running = [
        context.Process(target=_compete, args=(start, sent.put, settings, now), name=str(number))
        for number in range(processes)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
        assert process.exitcode == 0
    total = sum(sent.get() for _ in running)
    sent.close()
    return total


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _compete(start: Barrier, report: Callable[[int], None], settings: Settings, now: datetime) -> None:
    compose = outbox.compose

    def compose_slowly(*given: Any) -> Any:
        time.sleep(0.02)  # in the midst of a claim: whoever does not wait for it, claims the same
        return compose(*given)

    outbox.compose = compose_slowly
    start.wait()
    report(outbox.deliver(settings, now=now).sent)


def _raise(settings: Settings, now: datetime) -> None:
    with outbox.transaction(settings) as connection:
        raise_alert(connection, Raised("key", "event", "P0", "title"), at=now, settings=settings)
        _die()


def _deliver(point: str, settings: Settings, now: datetime) -> None:
    address, noted, transaction = outbox.address, outbox._note_sent, outbox.transaction

    def address_and_die(*given: Any, **named: Any) -> None:
        address(*given, **named)
        _die()

    def note_and_die(*given: Any) -> None:
        noted(*given)
        _die()

    @contextmanager
    def dying_before_the_commit(of: Settings) -> Iterator[sa.Connection]:
        with transaction(of) as connection:
            yield connection
            _die()

    def note_uncommitted(*given: Any) -> None:
        outbox.transaction = dying_before_the_commit
        noted(*given)

    match point:
        case "addressed, not committed":
            outbox.address = address_and_die
        case "claimed, not committed":
            outbox.compose = _die
        case "claimed":
            outbox.Sender.send = _die  # type: ignore[method-assign]
        case "handed over":
            outbox._note_sent = _die
        case "noted, not committed":
            outbox._note_sent = note_uncommitted
        case "noted":
            outbox._note_sent = note_and_die
    outbox.deliver(settings, now=now)


def _die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")
