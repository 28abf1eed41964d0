"""Checking whether webhooks and pulls agree. While its webhooks are silent, a source is pulled more often.

:func:`check` compares the new rows of a source's raw file with its new events. It may run after any pull and may be
repeated. Times are those of the source's clock, counted from the newest complete live pull: what was not pulled yet
proves nothing, and a night without pulls makes no event late.

A source is checked if it ever had a webhook, or has a webhook secret. Within it, only the scopes (projects,
repositories, channels) count in which webhooks reported a change within :data:`~.matching.WATCHED_FOR`, since webhooks
may be set up for one repository of ten. With a secret but no reported change at all, every scope counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.ops.schema import pulled_changes, webhook_health
from impulsum_pipelines.ops.store import dialect_insert, transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import Source
from impulsum_pipelines.webhooks.health import alerts, matching, missed
from impulsum_pipelines.webhooks.health.context import HealthCheckContext, health_row, newest_event_at, newest_syncs
from impulsum_pipelines.webhooks.health.matching import WATCHED_FOR, EventRow
from impulsum_pipelines.webhooks.health.pulled import LOOK_BACK, read_pulled
from impulsum_pipelines.webhooks.receiving import dropfiles

#: The modes of a source.
WEBHOOKS, POLLING = "webhooks", "polling"

#: How long the webhook of a change may take to arrive.
LATE = timedelta(minutes=10)

#: Silence is at least this many changes in a row that no webhook reported, with at least this time between the first
#: and the last. The time excludes an import without webhooks, which is over sooner.
SILENT_CHANGES, SILENT_FOR = 5, timedelta(minutes=10)

#: Silence ends when webhooks reported this many changes in a row.
RECOVERED_CHANGES = 3

#: The most overdue events whose ids are stored.
_MOST_KEPT = 50

_c = pulled_changes.c


@dataclass(frozen=True)
class HealthCheckResult:
    """The result of one check.

    Args:
        source: the source.
        is_silent: its webhooks are silent, so it is pulled more often.
        unseen: how many events a pull should have shown by now.
    """

    source: Source
    is_silent: bool
    unseen: int


def is_due(settings: Settings, source: Source) -> bool:
    """Whether a sync of the source ended since the last check.

    Raises:
        ImpulsumError: the ops store is not available.
    """
    with transaction(settings) as connection:
        newest, row = newest_syncs(connection, source.name).sync_id, health_row(connection, source.name)
    return newest is not None and (row is None or row.looked_after != newest)


def check(settings: Settings, source: Source, *, at: datetime) -> HealthCheckResult | None:
    """Compare what pulls found with what webhooks reported; store the result, and raise or resolve the alerts.

    Args:
        settings: the settings.
        source: the source.
        at: now, by our clock.

    Returns:
        None for a source without webhooks, or one that was never pulled completely.

    Raises:
        ImpulsumError: the ops store is not available, or a load has the raw file; a later check catches up.
    """
    with transaction(settings) as connection:
        if newest_event_at(connection, source.name) is None and not settings.source(source.name).webhook_secrets():
            return None
        before, syncs = health_row(connection, source.name), newest_syncs(connection, source.name)
        since = before.rows_until if before else None
        back_to = matching.oldest_unseen_at(connection, before.unseen) if before else None
        earliest = matching.compared_from(since, back_to) if since else None
        unseen = matching.unseen_events(connection, source.name, earliest)
    # Outside a transaction, since this may wait for the file.
    subjects = matching.subjects_to_find(source.name, unseen)
    pulled = read_pulled(settings, source.name, since=since, subjects=subjects)
    if pulled is None:
        return None
    with transaction(settings) as connection:
        context = HealthCheckContext(connection, settings, source, pulled, syncs, at)
        return _compare(context, unseen, back_to)


def _compare(context: HealthCheckContext, unseen: list[EventRow], back_to: datetime | None) -> HealthCheckResult:
    connection, name, pulled = context.connection, context.source.name, context.pulled
    row = _locked_row(context)
    failing_at = context.at if context.syncs.is_failing else None
    overdue = matching.mark_shown_events(
        connection, context.source, unseen, pulled, context.settings, failing_at=failing_at, back_to=back_to
    )
    events_until = matching.record_changes(connection, name, pulled, row.events_until)
    watched = _watched_scopes(context, row)
    missed_at = matching.mark_missed(connection, name, _missed_before(context), watched)
    missed.record_missed_deliveries(connection, name, missed_at, at=context.at)
    missed.close_covered_deliveries(connection, name, pulled, at=context.at)
    missed.update_missed_pulls(connection, name, overdue, pulled, at=context.at)
    mode, mode_since = _mode(context, row, watched)
    if overdue:
        alerts.raise_unseen(context, overdue)
    else:
        alerts.resolve_health_alert(context, "unseen", "pulls have shown all of the events")
    values = {
        "mode": mode,
        "since": mode_since,
        "rows_until": pulled.rows_until,
        "events_until": events_until,
        "looked_after": context.syncs.sync_id,
        "looked_at": context.at,
        "unseen": [event.id for event in overdue[:_MOST_KEPT]],
    }
    connection.execute(sa.update(webhook_health).where(webhook_health.c.source == name).values(values))
    return HealthCheckResult(context.source, mode == POLLING, len(overdue))


def _locked_row(context: HealthCheckContext) -> Any:
    """The source's row, created if it is missing, and locked against other checks until the transaction ends."""
    start = context.pulled.watermark
    row = {"source": context.source.name, "mode": WEBHOOKS, "since": start, "watched_since": start, "events_until": 0}
    new = dialect_insert(context.connection, webhook_health).values(row | {"looked_at": context.at, "unseen": []})
    context.connection.execute(new.on_conflict_do_nothing(index_elements=["source"]))
    mine = sa.select(webhook_health).where(webhook_health.c.source == context.source.name)
    return context.connection.execute(mine.with_for_update()).one()


def _missed_before(context: HealthCheckContext) -> datetime:
    """Earlier changes without a webhook are missed: there was time, and no older delivery waits in the inbox."""
    waiting = dropfiles.oldest_received_at(Home.of(context.settings))
    return min(context.pulled.watermark, waiting or context.pulled.watermark) - LATE


def _watched_scopes(context: HealthCheckContext, row: Any) -> matching.WatchedScopes:
    """The scopes in which webhooks should report every change. During a silence no scope is dropped."""
    at = row.since if row.mode == POLLING else context.pulled.watermark
    scopes = matching.reported_scopes(context.connection, context.source.name, at)
    return matching.WatchedScopes(scopes, row.watched_since if context.has_secret and not scopes else None)


def _mode(context: HealthCheckContext, row: Any, watched: matching.WatchedScopes) -> tuple[str, datetime]:
    """The mode and since when; raises or resolves its alert."""
    if row.mode == POLLING and (why := _why_recovered(context)):
        alerts.resolve_health_alert(context, "silent", why)
        return WEBHOOKS, context.pulled.watermark
    since = row.since if row.mode == POLLING else _silent_since(context)
    if since is None or not watched:
        return WEBHOOKS, row.since
    lost = sa.select(sa.func.count()).where(_is_missed(context), _c.changed_at >= since)
    alerts.raise_silent(context, since, context.connection.execute(lost).scalar_one())
    return POLLING, since


def _silent_since(context: HealthCheckContext) -> datetime | None:
    """The last reported change, or the first missed one, if so many missed ones followed; None without silence."""
    reported = sa.select(sa.func.max(_c.changed_at)).where(_c.source == context.source.name, _c.outcome == "told")
    last = context.connection.execute(reported).scalar()
    after = max(filter(None, [last, context.pulled.watermark - LOOK_BACK]))
    run = sa.select(sa.func.count(), sa.func.min(_c.changed_at), sa.func.max(_c.changed_at))
    row: Any = context.connection.execute(run.where(_is_missed(context), _c.changed_at > after)).one()
    count, first, newest = row
    is_silent = count >= SILENT_CHANGES and newest - first >= SILENT_FOR
    return (last or first) if is_silent else None


def _why_recovered(context: HealthCheckContext) -> str | None:
    """Why a silence is over; None while it lasts."""
    outcomes = sa.select(_c.outcome).where(_c.source == context.source.name, _c.outcome.in_(["told", "missed"]))
    newest = outcomes.order_by(_c.changed_at.desc(), _c.id.desc()).limit(RECOVERED_CHANGES)
    if list(context.connection.execute(newest).scalars()) == ["told"] * RECOVERED_CHANGES:
        return f"webhooks reported the newest {RECOVERED_CHANGES} changes; pulls are back to their usual schedule"
    last = newest_event_at(context.connection, context.source.name)
    if not context.has_secret and (last is None or last < context.pulled.watermark - WATCHED_FOR):
        return f"no webhook for {WATCHED_FOR.days} days and no secret is set; the source now counts as without webhooks"
    return None


def _is_missed(context: HealthCheckContext) -> sa.ColumnElement[bool]:
    return sa.and_(_c.source == context.source.name, _c.outcome == "missed")
