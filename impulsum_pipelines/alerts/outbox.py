"""Deliver what people must be told: to every channel, again until it is taken, and not twice.

What is guaranteed, and what cannot be:

- *Never lost.* What is to be told is committed with the change that makes it necessary. It is sent until a channel
  says that it has taken it, with a growing pause between tries, for three days; then it is marked ``failed`` and a
  warning is logged. A channel that leaves the settings before it took a message does not keep it: a message that is
  left without any channel goes to those that are configured then. While there is none, it waits for one.
- *Once a channel.* Each message and channel is a row of its own, claimed by one process before it sends and renewed
  while it sends. A process that is killed before it handed the message over, or after it noted that it did, repeats
  nothing, and a channel that fails repeats nothing on another.
- *The gap.* Killed after the channel took the message and before that is noted: it cannot be known here whether it
  arrived. It is sent again when the claim has run out (30 s): an alert too many is better than none. The repeat has
  the same id (``Message-ID`` of a mail, ``Idempotency-Key`` of a webhook), by which a receiver can drop it; where a
  service takes no id, such as Slack, people see the same reference at the end of both. The same holds for an answer
  that got lost, and for a process that was stopped for longer than its claim and went on afterwards.
- *In order* only as far as it matters: that something is over is not told on a channel before what it ends.

What had to wait (quiet hours), and more than ten that come due at once, is told in one message; never a P0. A repeat
says what is so at that moment: an alert that is over by then is told as over.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import sqlalchemy as sa
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from impulsum_pipelines.alerts.addressing import address
from impulsum_pipelines.alerts.channels import Channel, Channels, Sender
from impulsum_pipelines.alerts.messages import Message, compose
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, notifications
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings

log = logging.getLogger(__name__)

#: A claim outlives its process by at most this long; it is renewed three times as often.
CLAIM = timedelta(seconds=30)

#: Pauses between the tries of one message on one channel, and for how long it is tried.
FIRST_PAUSE, LONGEST_PAUSE, GIVEN_UP_AFTER = timedelta(seconds=10), timedelta(minutes=10), timedelta(days=3)


@dataclass(frozen=True)
class Delivered:
    """What one call has done, in messages and channels.

    Args:
        sent: taken by their channel.
        failed: not taken; to be tried again.
    """

    sent: int = 0
    failed: int = 0


@dataclass(frozen=True)
class _Claim:
    delivery: int
    attempt: int
    message: Message
    addressed_at: datetime


def deliver(settings: Settings, *, now: datetime | None = None, limit: int = 200) -> Delivered:
    """Send what is due, the most urgent first, each channel beside the others.

    Any number of processes may do so at once. A channel that fails is left alone for the rest of the call.

    Args:
        settings: where the store and the channels are.
        now: instead of the time that it is.
        limit: most messages to one channel.
    """
    channels = Channels.of(settings)
    if not channels.alerts:
        _warn_once()
    if not channels.every:
        return Delivered()
    clock = _Clock(now)
    with transaction(settings) as connection:
        address(connection, channels, now=clock())
        due = sa.select(deliveries.c.channel).where(_due(clock()), deliveries.c.channel.in_(list(channels.every)))
        busy: list[str] = list(connection.execute(due.distinct()).scalars())
    if not busy:
        return Delivered()
    claims = _Claims(settings, clock)
    with ThreadPoolExecutor(len(busy), thread_name_prefix="alerts") as pool:
        work = [pool.submit(_drain, settings, channels.every[name], clock, limit, claims) for name in busy]
        _keep_alive(work, claims)
    done = [future.result() for future in work]
    return Delivered(sum(each.sent for each in done), sum(each.failed for each in done))


class _Clock:
    """The time that it is, or that it would be if the call had begun at a given one."""

    def __init__(self, now: datetime | None) -> None:
        self._start = now or datetime.now(UTC)
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)


class _Claims:
    """The claims that this call holds now, renewed as long as it lives."""

    def __init__(self, settings: Settings, clock: _Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._held: dict[int, _Claim] = {}
        self._lock = threading.Lock()

    def hold(self, claim: _Claim) -> None:
        with self._lock:
            self._held[claim.delivery] = claim

    def drop(self, claim: _Claim) -> None:
        with self._lock:
            del self._held[claim.delivery]

    def renew(self) -> None:
        with self._lock:
            held = list(self._held.values())
        with transaction(self._settings) as connection:
            for claim in held:
                connection.execute(
                    sa.update(deliveries)
                    .where(_mine(claim), deliveries.c.status == "sending")
                    .values(claimed_until=self._clock() + CLAIM)
                )


def _keep_alive(work: list[Future[Delivered]], claims: _Claims) -> None:
    while wait(work, timeout=CLAIM.total_seconds() / 3).not_done:
        claims.renew()


def _drain(settings: Settings, channel: Channel, clock: _Clock, limit: int, claims: _Claims) -> Delivered:
    sender, sent = None, 0
    while sent < limit:
        claim = _claim(settings, channel, clock())
        if claim is None:
            break
        claims.hold(claim)
        try:
            sender = sender or Sender(channel)
            sender.send(claim.message)
        except ImpulsumError as error:
            _note_failure(settings, channel, claim, error, clock())
            return Delivered(sent, failed=1)
        finally:
            claims.drop(claim)
        _note_sent(settings, channel, claim, clock())
        sent += 1
    return Delivered(sent)


def _due(now: datetime) -> sa.ColumnElement[bool]:
    """To be sent now; or being sent by a process that is believed dead."""
    return sa.or_(
        sa.and_(deliveries.c.status == "pending", deliveries.c.due_at <= now),
        sa.and_(deliveries.c.status == "sending", deliveries.c.claimed_until <= now),
    )


def _claim(settings: Settings, channel: Channel, now: datetime) -> _Claim | None:
    told, before, sooner = notifications, notifications.alias("before"), deliveries.alias("sooner")
    urgency = (
        sa.select(sa.func.min(alerts.c.priority))
        .join(told, told.c.alert_id == alerts.c.id)
        .where(told.c.message_id == deliveries.c.message_id)
        .scalar_subquery()
    )
    ends_what_is_not_told = (
        sa.exists()
        .where(told.c.message_id == deliveries.c.message_id, told.c.what == "resolved")
        .where(before.c.alert_id == told.c.alert_id, sooner.c.message_id == before.c.message_id)
        .where(sooner.c.channel == deliveries.c.channel, sooner.c.id < deliveries.c.id)
        .where(sooner.c.status.in_(("pending", "sending")))
        .correlate(deliveries)
    )
    with transaction(settings) as connection:
        found = connection.execute(
            sa.select(deliveries)
            .where(deliveries.c.channel == channel.name, _due(now), ~ends_what_is_not_told, urgency.is_not(None))
            .order_by(urgency, deliveries.c.id)
            .limit(1)
            .with_for_update(of=deliveries, skip_locked=True)
        ).first()
        if found is None:
            return None
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == found.id)
            .values(status="sending", attempts=found.attempts + 1, claimed_until=now + CLAIM)
        )
        message = compose(connection, found.message_id, settings)
        return _Claim(found.id, found.attempts + 1, message, found.addressed_at)


# What is not noted is told again. And on PostgreSQL this may be the one that is ended when it and a transaction that
# raises several of the alerts wait for each other: there is no one order in which all take them.
@retry(
    retry=retry_if_exception_type(ImpulsumError),
    wait=wait_exponential(multiplier=0.1),
    stop=stop_after_attempt(5),
    reraise=True,
)
def _note_sent(settings: Settings, channel: Channel, claim: _Claim, now: datetime) -> None:
    with transaction(settings) as connection:
        # The alerts first, as everywhere: two transactions must not wait for each other.
        told = connection.execute(
            sa.select(alerts.c.id, alerts.c.state, notifications.c.what)
            .join(notifications, notifications.c.alert_id == alerts.c.id)
            .where(notifications.c.message_id == claim.message.message_id)
            .order_by(alerts.c.id, notifications.c.version)
            .with_for_update(of=alerts)
        ).all()
        # Taken is taken, even when the claim was lost meanwhile.
        noted = connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == claim.delivery, deliveries.c.status != "sent")
            .values(status="sent", sent_at=now, claimed_until=None, error=None)
        )
        if not noted.rowcount:
            return
        for alert in told:
            if alert.state == "open" and alert.what != "resolved":
                connection.execute(
                    sa.update(alerts)
                    .where(alerts.c.id == alert.id, alerts.c.state == "open")
                    .values(state="notified", notified_at=now)
                )
            connection.execute(
                sa.insert(alert_changes).values(
                    alert_id=alert.id, at=now, change="told", by="delivery", note=f"{alert.what}: {channel.name}"
                )
            )


def _note_failure(settings: Settings, channel: Channel, claim: _Claim, error: ImpulsumError, now: datetime) -> None:
    given_up = now - claim.addressed_at > GIVEN_UP_AFTER
    pause = min(FIRST_PAUSE * 2 ** min(claim.attempt - 1, 10), LONGEST_PAUSE)
    with transaction(settings) as connection:
        connection.execute(
            sa.update(deliveries)
            .where(_mine(claim), deliveries.c.status == "sending")
            .values(
                status="failed" if given_up else "pending", due_at=now + pause, claimed_until=None, error=error.what
            )
        )
    log.warning(
        "%s did not take message %s, try %d: %s; %s",
        channel.name,
        claim.message.message_id,
        claim.attempt,
        error.what,
        "given up" if given_up else f"again in {pause.total_seconds():g} s",
    )


def _mine(claim: _Claim) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.id == claim.delivery, deliveries.c.attempts == claim.attempt)


@cache
def _warn_once() -> None:
    error = ImpulsumError(
        Category.CONFIGURATION,
        "No channel is configured for alerts: nobody is told",
        safe="They are kept.",
        next_step="set IMPULSUM_ALERT_CHANNELS and run `impulsum alerts test`; `impulsum alerts list` shows them.",
    )
    log.warning("%s", error)
