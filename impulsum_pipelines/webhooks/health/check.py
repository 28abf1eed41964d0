"""Whether webhooks and pulls agree: each is the witness of the other, and a source whose webhooks fall silent is pulled
faster until they come again.

:func:`check` holds what is new in a source's raw file and among its events against each other. It may run after any
pull, and as often as one likes. Times are those of the source's clock, counted from the newest complete live pull: what
was not pulled yet proves nothing, and a night in which nothing is pulled makes no event late.

A source is watched that a webhook ever came from, or that has a webhook secret. Of its parts (projects, repositories,
channels), those count that webhooks told of within :data:`~.crossing.REMEMBERED`: who has no webhooks, or has them for
one repository of ten, hears nothing of the others. Where there is a secret and webhooks told of nothing at all, every
part counts.
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
from impulsum_pipelines.webhooks.health.context import Case, ended, last_event, state
from impulsum_pipelines.webhooks.health.matching import REMEMBERED, Said
from impulsum_pipelines.webhooks.health.pulled import LOOK_BACK, look
from impulsum_pipelines.webhooks.receiving import dropfiles

#: The modes of a source.
WEBHOOKS, POLLING = "webhooks", "polling"

#: For so long after a change its webhook may be on its way.
LATE = timedelta(minutes=10)

#: Silence: so many changes in a row that no webhook told of, from the first to the last so far apart. An import that
#: tells of nothing is over sooner.
SILENT_CHANGES, SILENT_FOR = 5, timedelta(minutes=10)

#: The silence is over when webhooks told of so many changes in a row.
RECOVERED_CHANGES = 3

#: Ids that are kept of events that no pull has shown.
_MOST_KEPT = 50

_c = pulled_changes.c


@dataclass(frozen=True)
class Checked:
    """What one look found.

    Args:
        source: the source.
        is_silent: its webhooks are silent; it is pulled faster.
        unseen: how many events a pull should have shown by now.
    """

    source: Source
    is_silent: bool
    unseen: int


def is_due(settings: Settings, source: Source) -> bool:
    """Whether a sync of the source ended since the last look.

    Raises:
        ImpulsumError: the ops store is out of reach.
    """
    with transaction(settings) as connection:
        newest, row = ended(connection, source.name).sync_id, state(connection, source.name)
    return newest is not None and (row is None or row.looked_after != newest)


def check(settings: Settings, source: Source, *, at: datetime) -> Checked | None:
    """Hold what pulls saw and what webhooks told against each other, and act on it.

    Args:
        settings: the settings.
        source: the source.
        at: now, by our clock.

    Returns:
        What was found; None for a source that has no webhooks, or was never pulled.

    Raises:
        ImpulsumError: the ops store is out of reach, or a load holds the raw file; a later look finds it all.
    """
    with transaction(settings) as connection:
        if last_event(connection, source.name) is None and not settings.webhook_secrets(source.name):
            return None
        before, how = state(connection, source.name), ended(connection, source.name)
        since = before.rows_until if before else None
        back_to = matching.oldest_waiting(connection, before.unseen) if before else None
        earliest = matching.looked_at_from(since, back_to) if since else None
        unseen = matching.unseen(connection, source.name, earliest)
    # No transaction meanwhile: the file may have to be waited for.
    found = look(settings, source.name, since=since, subjects=matching.asked_for(source.name, unseen))
    if found is None:
        return None
    with transaction(settings) as connection:
        return _conclude(Case(connection, settings, source, found, how, at), unseen, back_to)


def _conclude(case: Case, unseen: list[Said], back_to: datetime | None) -> Checked:
    connection, name, found = case.connection, case.source.name, case.found
    row = _locked(case)
    failing_at = case.at if case.ended.is_failing else None
    overdue = matching.see(
        connection, case.source, unseen, found, case.settings, failing_at=failing_at, back_to=back_to
    )
    events_until = matching.tell(connection, name, found, row.events_until)
    watched = _watched(case, row)
    gone = matching.judge(connection, name, _judged_until(case), watched)
    missed.name_deliveries(connection, name, gone, at=case.at)
    missed.close_deliveries(connection, name, found, at=case.at)
    missed.name_pulls(connection, name, overdue, found, at=case.at)
    mode, mode_since = _mode(case, row, watched)
    if overdue:
        alerts.unseen(case, overdue)
    else:
        alerts.over(case, "unseen", "pulls have shown them all")
    values = {
        "mode": mode,
        "since": mode_since,
        "rows_until": found.rows_until,
        "events_until": events_until,
        "looked_after": case.ended.sync_id,
        "looked_at": case.at,
        "unseen": [event.id for event in overdue[:_MOST_KEPT]],
    }
    connection.execute(sa.update(webhook_health).where(webhook_health.c.source == name).values(values))
    return Checked(case.source, mode == POLLING, len(overdue))


def _locked(case: Case) -> Any:
    """The source's row, made if there is none, and kept from other looks to the end of the transaction."""
    start = case.found.watermark
    row = {"source": case.source.name, "mode": WEBHOOKS, "since": start, "watched_since": start, "events_until": 0}
    new = dialect_insert(case.connection, webhook_health).values(row | {"looked_at": case.at, "unseen": []})
    case.connection.execute(new.on_conflict_do_nothing(index_elements=["source"]))
    mine = sa.select(webhook_health).where(webhook_health.c.source == case.source.name)
    return case.connection.execute(mine.with_for_update()).one()


def _judged_until(case: Case) -> datetime:
    """Changes before had time to be told of, and no delivery that may tell of them waits in the inbox."""
    waiting = dropfiles.oldest(Home.of(case.settings))
    return min(case.found.watermark, waiting or case.found.watermark) - LATE


def _watched(case: Case, row: Any) -> matching.Watched:
    """Of what webhooks ought to tell. While they are silent no part is forgotten."""
    at = row.since if row.mode == POLLING else case.found.watermark
    parts = matching.parts_told_of(case.connection, case.source.name, at)
    return matching.Watched(parts, row.watched_since if case.has_secret and not parts else None)


def _mode(case: Case, row: Any, watched: matching.Watched) -> tuple[str, datetime]:
    """The mode and since when, and its alert."""
    if row.mode == POLLING and (why := _why_over(case)):
        alerts.over(case, "silent", why)
        return WEBHOOKS, case.found.watermark
    since = row.since if row.mode == POLLING else _silent_since(case)
    if since is None or not watched:
        return WEBHOOKS, row.since
    lost = sa.select(sa.func.count()).where(_missed(case), _c.changed_at >= since)
    alerts.silent(case, since, case.connection.execute(lost).scalar_one())
    return POLLING, since


def _silent_since(case: Case) -> datetime | None:
    """The last change that a webhook told of, if so many followed that none told of; None when all is well."""
    told = sa.select(sa.func.max(_c.changed_at)).where(_c.source == case.source.name, _c.outcome == "told")
    last = case.connection.execute(told).scalar()
    after = max(filter(None, [last, case.found.watermark - LOOK_BACK]))
    run = sa.select(sa.func.count(), sa.func.min(_c.changed_at), sa.func.max(_c.changed_at))
    row: Any = case.connection.execute(run.where(_missed(case), _c.changed_at > after)).one()
    count, first, newest = row
    is_silent = count >= SILENT_CHANGES and newest - first >= SILENT_FOR
    return (last or first) if is_silent else None


def _why_over(case: Case) -> str | None:
    """Why a silence is over; None while it lasts."""
    judged = sa.select(_c.outcome).where(_c.source == case.source.name, _c.outcome.in_(["told", "missed"]))
    newest = judged.order_by(_c.changed_at.desc(), _c.id.desc()).limit(RECOVERED_CHANGES)
    if list(case.connection.execute(newest).scalars()) == ["told"] * RECOVERED_CHANGES:
        return f"webhooks told of the newest {RECOVERED_CHANGES} changes: it is pulled as before"
    last = last_event(case.connection, case.source.name)
    if not case.has_secret and (last is None or last < case.found.watermark - REMEMBERED):
        return f"no webhook for {REMEMBERED.days} days, and no secret is set: it counts as without webhooks"
    return None


def _missed(case: Case) -> sa.ColumnElement[bool]:
    return sa.and_(_c.source == case.source.name, _c.outcome == "missed")
