"""What pulls saw, of what webhooks tell of as well: read from a source's raw file, in the words of events.

One look takes hundredths of a second under the file's read lock, and gives up when a load holds the file for longer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.readers import Pulled, readers

if TYPE_CHECKING:
    import duckdb

#: How far back events and changes are held against each other, from the newest complete live pull on.
LOOK_BACK = timedelta(days=7)

#: Seconds to wait for a load: whoever looks comes again.
_PATIENCE = 5.0

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Change:
    """Something changed, as a pull saw it.

    Args:
        subject: as events name it.
        name: as people name it.
        part: kind of the subject, and its project, repository or channel.
        changed_at: when, by the source (UTC).
        sync_id: the sync that saw it.
    """

    subject: str
    name: str
    part: str
    changed_at: datetime
    sync_id: str


@dataclass(frozen=True)
class Held:
    """What is held of a subject.

    Args:
        changed_at: its newest change, by the source (UTC).
        sync_id: the sync that saw that.
        is_gone: it is deleted at the source, or out of sight.
    """

    changed_at: datetime
    sync_id: str
    is_gone: bool


@dataclass(frozen=True)
class Look:
    """What a raw file says.

    Args:
        sync_id: the newest complete live sync.
        watermark: when that began, by the source's clock: everything that changed before is held.
        rows_until: when the newest row was read, by the source's clock.
        changes: those in rows read since the last look.
        held: what is held of the subjects that were asked for; those that are not held are not in it.
        parts: the parts of which anything is held.
    """

    sync_id: str
    watermark: datetime
    rows_until: datetime | None
    changes: list[Change]
    held: Mapping[str, Held]
    parts: frozenset[str]


def part_of(pulled: Pulled, name: str) -> str:
    """The part of a kind of thing, such as ``pull:acme/shop``."""
    return f"{pulled.kind}:{name}"


def look(settings: Settings, source: str, *, since: datetime | None, subjects: Collection[str]) -> Look | None:
    """Read what changed since a look before, and what is held of some subjects; None before the first live pull.

    Args:
        settings: the settings.
        source: name of the source.
        since: ``rows_until`` of the look before.
        subjects: as events name them.

    Raises:
        ImpulsumError: a load holds the file.
    """
    with Home(settings.home, lock_seconds=_PATIENCE).read_raw(source) as connection:
        if connection is None:
            return None
        newest = connection.execute(
            "select sync_id, watermark_to from raw.syncs where mode = 'live' and status = 'done' "
            "and watermark_to is not null order by started_at desc limit 1"
        ).fetchall()
        if not newest:
            return None
        [(sync_id, watermark)] = newest
        watermark = watermark.astimezone(UTC)
        changes: list[Change] = []
        held: dict[str, Held] = {}
        parts: set[str] = set()
        untils = [since]
        for pulled in readers()[source].pulled:
            rows = _rows(pulled)
            found, until = _changes(connection, rows, since or _EARLIEST, watermark - LOOK_BACK)
            changes += found
            untils.append(until)
            if subjects:
                held |= _held(connection, rows, subjects)
                parts |= {part for (part,) in connection.execute(f"select distinct part from ({rows})").fetchall()}
        rows_until = max(filter(None, untils), default=None)
        return Look(sync_id, watermark, rows_until, changes, held, frozenset(parts))


def _rows(pulled: Pulled) -> str:
    """The rows of a kind of thing, in the columns of :class:`Change` and :class:`Held`."""
    return (
        f"select '{pulled.kind}:' || {pulled.subject} as subject, {pulled.name} as name, "
        f"'{part_of(pulled, '')}' || coalesce({pulled.part}, '') as part, {pulled.changed_at} as changed_at, "
        f"row.sync_id as sync_id, row.extracted_at as extracted_at, ({pulled.is_gone}) as is_gone "
        f"from raw.{pulled.table} row {pulled.joined} where {pulled.where}"
    )


def _changes(
    connection: duckdb.DuckDBPyConnection, rows: str, since: datetime, after: datetime
) -> tuple[list[Change], datetime | None]:
    """The changes after a time in rows read since another; and when the newest of these rows was read."""
    read = f"with read as (select * from ({rows}) where extracted_at > ?)"
    found = connection.execute(
        f"{read} select subject, any_value(name), any_value(part), changed_at, arg_max(sync_id, extracted_at) "
        "from read where changed_at > ? and not is_gone group by subject, changed_at order by changed_at, subject",
        [since, after],
    ).fetchall()
    [(until,)] = connection.execute(f"{read} select max(extracted_at) from read", [since]).fetchall()
    changes = [
        Change(subject, name or subject, part, changed_at.astimezone(UTC), sync_id)
        for subject, name, part, changed_at, sync_id in found
    ]
    return changes, until.astimezone(UTC) if until else None


def _held(connection: duckdb.DuckDBPyConnection, rows: str, subjects: Collection[str]) -> dict[str, Held]:
    found = connection.execute(
        "select subject, max(changed_at), arg_max(sync_id, changed_at), bool_and(is_gone) "
        f"from ({rows}) semi join (select unnest(?::varchar[]) as subject) using (subject) "
        "where changed_at is not null group by subject",
        [list(subjects)],
    ).fetchall()
    return {
        subject: Held(changed_at.astimezone(UTC), sync_id, is_gone) for subject, changed_at, sync_id, is_gone in found
    }
