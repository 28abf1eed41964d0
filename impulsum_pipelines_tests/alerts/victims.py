"""Processes that raise or deliver alerts, and kill themselves with SIGKILL at a chosen point.

They are forked from a process that has imported everything, one per worker: importing takes longer than their work.
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
from impulsum_pipelines.alerts.lifecycle import Problem, raise_alert
from impulsum_pipelines.settings import Settings

#: Points before the channel has the message, or after that is recorded: no message is repeated.
KNOWN = ("routed, not committed", "claimed, not committed", "claimed", "recorded")

#: Points in the gap: the channel has the message, and that is not recorded.
UNKNOWN = ("handed over", "recorded, not committed")


def kill(point: str, settings: Settings, now: datetime) -> None:
    """Deliver in a separate process that dies at this point."""
    victim = _context().Process(target=_deliver, args=(point, settings, now))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL, f"ended with {victim.exitcode} instead of dying at {point}"


def kill_while_raising(settings: Settings, now: datetime) -> None:
    """Raise an alert in a separate process that dies before the commit."""
    victim = _context().Process(target=_raise, args=(settings, now))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL


def deliver_at_once(processes: int, settings: Settings, now: datetime) -> int:
    """Deliver in several processes that start together; returns how many messages they report as sent."""
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
        time.sleep(0.02)  # during a claim: a process that does not wait for it claims the same delivery
        return compose(*given)

    setattr(outbox, "compose", compose_slowly)  # noqa: B010
    start.wait()
    report(outbox.deliver(settings, now=now).sent)


def _raise(settings: Settings, now: datetime) -> None:
    with outbox.transaction(settings) as connection:
        raise_alert(connection, Problem("key", "event", "P0", "title"), at=now, settings=settings)
        _die()


def _deliver(point: str, settings: Settings, now: datetime) -> None:
    route, record_sent, transaction = outbox.route, outbox._record_sent, outbox.transaction

    def route_and_die(*given: Any, **named: Any) -> None:
        route(*given, **named)
        _die()

    def record_and_die(*given: Any) -> None:
        record_sent(*given)
        _die()

    @contextmanager
    def dying_before_the_commit(of: Settings) -> Iterator[sa.Connection]:
        with transaction(of) as connection:
            yield connection
            _die()

    def record_uncommitted(*given: Any) -> None:
        setattr(outbox, "transaction", dying_before_the_commit)  # noqa: B010
        record_sent(*given)

    match point:
        case "routed, not committed":
            setattr(outbox, "route", route_and_die)  # noqa: B010
        case "claimed, not committed":
            setattr(outbox, "compose", _die)  # noqa: B010
        case "claimed":
            outbox.Sender.send = _die  # type: ignore[method-assign]
        case "handed over":
            setattr(outbox, "_record_sent", _die)  # noqa: B010
        case "recorded, not committed":
            setattr(outbox, "_record_sent", record_uncommitted)  # noqa: B010
        case "recorded":
            setattr(outbox, "_record_sent", record_and_die)  # noqa: B010
    outbox.deliver(settings, now=now)


def _die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")
