"""Decides whether the stored rows of a source are fresh, for the check, the alert and the commands.

Each table has two ages. A table is *checked* when a live pull asks the source what changed in it, even if nothing did.
Its *newest data* is what a pull last wrote. A pull that finds nothing is a check without data. Ages are by our clock,
because a source's clock may be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from impulsum_pipelines.base.humanize import humanize
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.table import Table
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import Source

if TYPE_CHECKING:
    import duckdb

#: From best to worst. Quiet: checked, but nothing new has come for long. Stale: not checked for longer than the tier
#: allows, in business hours. Lost: not checked for longer than a weekend.
Level = Literal["fresh", "quiet", "stale", "lost"]
LEVELS: tuple[Level, ...] = ("fresh", "quiet", "stale", "lost")

#: Columns that say when something happened at the source; for each table the first one that it has counts.
_WHEN = ("updated_at", "posted_at", "submitted_at", "committed_at", "published_at", "created_at", "started_at")


#: How many of the newest pulls are searched for the last check of a table: more than fit in ``lost_after``.
_PULLS = 500


@dataclass(frozen=True)
class TableAge:
    """How old one table is.

    Args:
        name: the table.
        checked_at: start of the newest pull that checked it; None when none of the pulls searched did.
        since: ``checked_at``, or when pulling began.
        written_at: start of the newest pull that wrote a row of it: something was new, changed or gone.
        changed_at: newest time in its rows, by the source; None when its rows have no such time.
        allowed: how long it may be left unchecked in business hours.
        level: fresh, stale or lost.
    """

    name: str
    checked_at: datetime | None
    since: datetime
    written_at: datetime | None
    changed_at: datetime | None
    allowed: timedelta
    level: Level


@dataclass(frozen=True)
class Freshness:
    """How fresh a source is.

    Args:
        source: the source.
        level: the worst level of its tables, or quiet.
        text: the level and its reason in one sentence.
        tables: the age of each table.
    """

    source: Source
    level: Level
    text: str
    tables: tuple[TableAge, ...] = ()


def assess(
    source: Source,
    connection: duckdb.DuckDBPyConnection | None,
    settings: Settings,
    now: datetime,
    *,
    tried_since: datetime | None = None,
) -> Freshness:
    """Decide how fresh a source is at an instant.

    Args:
        source: the source; the caller has checked that it is on.
        connection: its raw file; None when there is none.
        settings: for the business hours, and how old reference tables may get.
        now: the instant.
        tried_since: the first try to pull it, for a source that was never pulled.
    """
    first_pull, ages = _ages(source, connection) if connection is not None else (None, {})
    began = first_pull or tried_since
    if began is None:
        return Freshness(source, "fresh", f"{source.title} was never pulled.")
    found = []
    for table in tables(source.name):
        checked_at, written_at, changed_at = ages.get(table.name, (None, None, None))
        since, allowed = checked_at or began, _allowed(source, table, settings)
        level = _level(since, allowed, source, settings, now)
        found.append(TableAge(table.name, checked_at, since, written_at, changed_at, allowed, level))
    level = max((table.level for table in found), key=LEVELS.index)
    if level == "fresh":
        level, text = _describe_fresh(source, found, now)
    else:
        text = _describe_old(source, found, now)
    return Freshness(source, level, text, tuple(found))


def _describe_fresh(source: Source, found: Sequence[TableAge], now: datetime) -> tuple[Level, str]:
    """The level, fresh or quiet, and the text for a source of which every table was checked in time."""
    longest = humanize(now - min(table.since for table in found))
    newest = max((table.written_at for table in found if table.written_at), default=None)
    if newest is None:
        return "fresh", f"No table was left unchecked for more than {longest}; there is no data yet."
    age = humanize(now - newest)
    if now - newest > source.quiet_after:
        return (
            "quiet",
            f"{source.title} is pulled, but nothing new has come for {age}: check what the account may still read.",
        )
    return "fresh", f"No table was left unchecked for more than {longest}; the newest data came {age} ago."


def _describe_old(source: Source, found: Sequence[TableAge], now: datetime) -> str:
    old = [table for table in found if table.level != "fresh"]
    newest = max(table.since for table in found)
    if newest <= max(table.since for table in old):
        how = "has not been pulled" if any(table.checked_at for table in found) else "could not be pulled"
        return f"{source.title} {how} for {humanize(now - newest)}."
    longest, names = humanize(now - min(table.since for table in old)), ", ".join(table.name for table in old)
    return f"Some tables of {source.title} have not been checked for up to {longest}, while others have: {names}."


def _ages(
    source: Source, connection: duckdb.DuckDBPyConnection
) -> tuple[datetime | None, dict[str, tuple[datetime | None, ...]]]:
    """The start of the first live pull; and by table, when it was last checked, written and changed."""
    live = "raw.syncs where mode = 'live' and status in ('done', 'incomplete')"
    queries = " union all ".join(
        f"""
        select '{table.name}',
            (select max(started_at) from pulls where {_checked(table)}),
            (select max(started_at) from raw.syncs where sync_id = (select max(sync_id) from raw.{table.name})),
            {_changed(table)}
        """
        for table in tables(source.name)
    )
    pulls = f"with pulls as materialized (from {live} order by started_at desc limit {_PULLS})"
    [(first,)] = connection.execute(f"select min(started_at) from {live}").fetchall()
    return first, {name: tuple(ages) for name, *ages in connection.execute(f"{pulls} {queries}").fetchall()}


def _checked(table: Table) -> str:
    """SQL, true for a pull that asked the source what changed in a table.

    Either it read the table to its end, or the source refused to show the table. Or it was complete, and saw no reason
    to read a table that follows the source's changes.
    """
    ended = f"json_extract_string(streams, '$.{table.name}.ended')"
    was_read = f"{ended} <> 'not read' and not starts_with({ended}, 'early')"
    return f"({was_read} or {table.partitioned} and status = 'done' and watermark_to is not null)"


def _changed(table: Table) -> str:
    column = next((name for name in _WHEN if name in {column.name for column in table.columns}), None)
    return f"(select max({column}) from raw.{table.name})" if column else "null::timestamptz"


def _allowed(source: Source, table: Table, settings: Settings) -> timedelta:
    """How long a table may stay unchecked. Pulls read reference tables again only at a certain age."""
    reference_age = timedelta(minutes=0 if table.partitioned else settings.impulsum_reference_minutes)
    return source.fresh_within + reference_age


def _level(checked_at: datetime, allowed: timedelta, source: Source, settings: Settings, now: datetime) -> Level:
    if now - checked_at > source.lost_after:
        return "lost"
    local, (first, last) = now.astimezone(settings.zone), settings.business_hours
    is_working = local.weekday() < 5 and first <= local.hour < last
    opened = local.replace(hour=first, minute=0, second=0, microsecond=0)
    waited = local - max(opened, checked_at.astimezone(settings.zone))
    return "stale" if is_working and waited > allowed else "fresh"
