"""Deliver messages to every channel: retry until the channel accepts it, and do not send twice.

What is guaranteed, and what is not:

- *Never lost.* A notification is committed together with the change that it reports. It is sent until a channel
  accepts it, with growing pauses between attempts, for three days; then the delivery is marked ``failed`` and a warning
  is logged. If a channel leaves the settings before it accepted a message, and no other channel has the message, it
  goes to the channels that are configured then. Without any channel, messages wait for one.
- *Once per channel.* Each message and channel is a row of its own. One process claims it before it sends, and renews
  the claim while it sends. A process that is killed before it handed the message over, or after it recorded that it
  did, causes no repeat, and a channel that fails causes no repeat on another.
- *The gap.* If the process is killed after the channel accepted the message and before that is recorded, we cannot know
  whether it arrived. It is sent again when the claim has expired (30 s): one alert too many is better than none. The
  repeat has the same id (``Message-ID`` of a mail, ``Idempotency-Key`` of a webhook), by which a receiver can drop it;
  where a service takes no id, such as Slack, people see the same reference at the end of both. The same happens when
  the answer of the service is lost, and when a process is stopped for longer than its claim and then continues.
- *In order* only where it matters: a channel never receives "resolved" before what it resolves.

Notifications that waited for the end of quiet hours, and more than ten that come due together, are sent in one digest;
a P0 never is. A retry reports the state of that moment: an alert that is resolved by then is reported as resolved.
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

from impulsum_pipelines.alerts.channels import AlertChannel, Channels, Sender
from impulsum_pipelines.alerts.messages import Message, compose
from impulsum_pipelines.alerts.routes import route
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, notifications
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings

log = logging.getLogger(__name__)

#: How long a claim is valid after its last renewal; a living process renews it three times as often.
CLAIM = timedelta(seconds=30)

#: Pauses between the attempts of one delivery, and after which time it is given up.
FIRST_PAUSE, LONGEST_PAUSE, GIVEN_UP_AFTER = timedelta(seconds=10), timedelta(minutes=10), timedelta(days=3)


@dataclass(frozen=True)
class Delivered:
    """How many deliveries one call made.

    Args:
        sent: accepted by their channel.
        failed: not accepted; they are tried again.
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
    """Send every message that is due, the most urgent first, to all channels in parallel.

    Any number of processes may call this at once. A channel that fails is skipped for the rest of the call.

    Args:
        settings: for the ops store and the channels.
        now: UTC; the current time by default.
        limit: the most messages sent to one channel.

    Raises:
        ImpulsumError: the ops store cannot be used. A channel that fails raises nothing.
    """
    channels = Channels.of(settings)
    if not channels.alerts:
        _warn_once()
    if not channels.every:
        return Delivered()
    clock = _Clock(now)
    with transaction(settings) as connection:
        route(connection, channels, now=clock())
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
    """The current time; or, with a given start, that start plus the time since then."""

    def __init__(self, now: datetime | None) -> None:
        self._start = now or datetime.now(UTC)
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)


class _Claims:
    """The claims of this call. It renews them as long as it runs."""

    def __init__(self, settings: Settings, clock: _Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._open: dict[int, _Claim] = {}
        self._lock = threading.Lock()

    def add(self, claim: _Claim) -> None:
        with self._lock:
            self._open[claim.delivery] = claim

    def drop(self, claim: _Claim) -> None:
        with self._lock:
            del self._open[claim.delivery]

    def renew(self) -> None:
        with self._lock:
            claims = list(self._open.values())
        with transaction(self._settings) as connection:
            for claim in claims:
                connection.execute(
                    sa.update(deliveries)
                    .where(_is_ours(claim), deliveries.c.status == "sending")
                    .values(claimed_until=self._clock() + CLAIM)
                )


def _keep_alive(work: list[Future[Delivered]], claims: _Claims) -> None:
    while wait(work, timeout=CLAIM.total_seconds() / 3).not_done:
        claims.renew()


def _drain(settings: Settings, channel: AlertChannel, clock: _Clock, limit: int, claims: _Claims) -> Delivered:
    sender, sent = None, 0
    while sent < limit:
        claim = _claim(settings, channel, clock())
        if claim is None:
            break
        claims.add(claim)
        try:
            sender = sender or Sender(channel)
            sender.send(claim.message)
        except ImpulsumError as error:
            _record_failure(settings, channel, claim, error, clock())
            return Delivered(sent, failed=1)
        finally:
            claims.drop(claim)
        _record_sent(settings, channel, claim, clock())
        sent += 1
    return Delivered(sent)


def _due(now: datetime) -> sa.ColumnElement[bool]:
    """SQL condition on ``deliveries``: due now, or claimed by a process that did not renew its claim."""
    return sa.or_(
        sa.and_(deliveries.c.status == "pending", deliveries.c.due_at <= now),
        sa.and_(deliveries.c.status == "sending", deliveries.c.claimed_until <= now),
    )


def _claim(settings: Settings, channel: AlertChannel, now: datetime) -> _Claim | None:
    """Claim the most urgent delivery that is due; None when there is none."""
    this, earlier = notifications, notifications.alias("earlier")
    unsent = deliveries.alias("unsent")
    urgency = (
        sa.select(sa.func.min(alerts.c.priority))
        .join(this, this.c.alert_id == alerts.c.id)
        .where(this.c.message_id == deliveries.c.message_id)
        .scalar_subquery()
    )
    resolves_an_unsent_one = (
        sa.exists()
        .where(this.c.message_id == deliveries.c.message_id, this.c.what == "resolved")
        .where(earlier.c.alert_id == this.c.alert_id, unsent.c.message_id == earlier.c.message_id)
        .where(unsent.c.channel == deliveries.c.channel, unsent.c.id < deliveries.c.id)
        .where(unsent.c.status.in_(("pending", "sending")))
        .correlate(deliveries)
    )
    with transaction(settings) as connection:
        found = connection.execute(
            sa.select(deliveries)
            .where(deliveries.c.channel == channel.name, _due(now), ~resolves_an_unsent_one, urgency.is_not(None))
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


# A delivery that is not recorded is sent again. And PostgreSQL may end this transaction when it and one that raises
# several of the alerts wait for each other: the two cannot always lock them in the same order.
@retry(
    retry=retry_if_exception_type(ImpulsumError),
    wait=wait_exponential(multiplier=0.1),
    stop=stop_after_attempt(5),
    reraise=True,
)
def _record_sent(settings: Settings, channel: AlertChannel, claim: _Claim, now: datetime) -> None:
    with transaction(settings) as connection:
        # Lock the alerts first, as everywhere: two transactions must not wait for each other.
        reported = connection.execute(
            sa.select(alerts.c.id, alerts.c.state, notifications.c.what)
            .join(notifications, notifications.c.alert_id == alerts.c.id)
            .where(notifications.c.message_id == claim.message.message_id)
            .order_by(alerts.c.id, notifications.c.version)
            .with_for_update(of=alerts)
        ).all()
        # Accepted by the channel, so recorded even when another process has taken over the claim.
        recorded = connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == claim.delivery, deliveries.c.status != "sent")
            .values(status="sent", sent_at=now, claimed_until=None, error=None)
        )
        if not recorded.rowcount:
            return
        for alert in reported:
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


def _record_failure(
    settings: Settings, channel: AlertChannel, claim: _Claim, error: ImpulsumError, now: datetime
) -> None:
    given_up = now - claim.addressed_at > GIVEN_UP_AFTER
    pause = min(FIRST_PAUSE * 2 ** min(claim.attempt - 1, 10), LONGEST_PAUSE)
    with transaction(settings) as connection:
        connection.execute(
            sa.update(deliveries)
            .where(_is_ours(claim), deliveries.c.status == "sending")
            .values(
                status="failed" if given_up else "pending", due_at=now + pause, claimed_until=None, error=error.what
            )
        )
    log.warning(
        "channel %s: message %s not delivered, attempt %d: %s; %s",
        channel.name,
        claim.message.message_id,
        claim.attempt,
        error.what,
        f"given up after {GIVEN_UP_AFTER.days} days" if given_up else f"next attempt in {pause.total_seconds():g} s",
    )


def _is_ours(claim: _Claim) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.id == claim.delivery, deliveries.c.attempts == claim.attempt)


@cache
def _warn_once() -> None:
    error = ImpulsumError(
        Category.CONFIGURATION,
        "No channel is configured for alerts, so nobody is notified",
        safe="The alerts are stored, and sent once a channel is configured.",
        next_step="set IMPULSUM_ALERT_CHANNELS, then run `impulsum alerts test`. "
        "`impulsum alerts list` shows the alerts.",
    )
    log.warning("%s", error)
