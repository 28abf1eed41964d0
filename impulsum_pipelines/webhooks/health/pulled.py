"""What pulls found, read from a source's raw file and named as events name it.

Reading takes hundredths of a second under the file's read lock. It gives up when a load has the file for longer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.readers import PulledKind, readers

if TYPE_CHECKING:
    import duckdb

#: How far back events and changes are compared, counted from the newest complete live pull.
LOOK_BACK = timedelta(days=7)

#: Seconds to wait for a load: the check is repeated later.
_LOCK_SECONDS = 5.0

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Change:
    """One change, as a pull found it.

    Args:
        subject: its name in events.
        name: its name for people.
        scope: kind of the subject, and its project, repository or channel, such as ``pull:acme/shop``.
        changed_at: when, by the source (UTC).
        sync_id: the sync that found it.
    """

    subject: str
    name: str
    scope: str
    changed_at: datetime
    sync_id: str


@dataclass(frozen=True)
class StoredSubject:
    """What is stored of a subject.

    Args:
        changed_at: its newest change, by the source (UTC).
        sync_id: the sync that found that change.
        is_gone: it is deleted at the source, or unreachable.
    """

    changed_at: datetime
    sync_id: str
    is_gone: bool


@dataclass(frozen=True)
class PulledState:
    """What a raw file contains, as far as a health check needs it.

    Args:
        sync_id: the newest complete live sync.
        watermark: when it began, by the source's clock: every earlier change is stored.
        rows_until: when the newest row was read, by the source's clock.
        changes: the changes in rows read since the last check.
        stored: what is stored of the subjects that were asked for; a subject that is not stored is missing.
        scopes: the scopes with any stored row.
    """

    sync_id: str
    watermark: datetime
    rows_until: datetime | None
    changes: list[Change]
    stored: Mapping[str, StoredSubject]
    scopes: frozenset[str]


def scope_key(kind: PulledKind, scope: str) -> str:
    """A scope of a kind of thing, such as ``pull:acme/shop``."""
    return f"{kind.kind}:{scope}"


def read_pulled(
    settings: Settings, source: str, *, since: datetime | None, subjects: Collection[str]
) -> PulledState | None:
    """Read what changed since an earlier check, and what is stored of some subjects.

    Args:
        settings: the settings.
        source: name of the source.
        since: ``rows_until`` of the earlier check; None before the first.
        subjects: as events name them.

    Returns:
        None before the first complete live sync.

    Raises:
        ImpulsumError: a load has the file.
    """
    with Home(settings.home, lock_seconds=_LOCK_SECONDS).read_raw(source) as connection:
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
        stored: dict[str, StoredSubject] = {}
        scopes: set[str] = set()
        untils = [since]
        for kind in readers()[source].pulled_kinds:
            rows = _rows(kind)
            found, until = _changes(connection, rows, since or _EARLIEST, watermark - LOOK_BACK)
            changes += found
            untils.append(until)
            if subjects:
                stored |= _stored(connection, rows, subjects)
                scopes |= {scope for (scope,) in connection.execute(f"select distinct scope from ({rows})").fetchall()}
        rows_until = max(filter(None, untils), default=None)
        return PulledState(sync_id, watermark, rows_until, changes, stored, frozenset(scopes))


def _rows(kind: PulledKind) -> str:
    """SQL of the rows of a kind of thing, in the columns of :class:`Change` and :class:`StoredSubject`."""
    return (
        f"select '{kind.kind}:' || {kind.subject} as subject, {kind.name} as name, "
        f"'{scope_key(kind, '')}' || coalesce({kind.scope}, '') as scope, {kind.changed_at} as changed_at, "
        f"row.sync_id as sync_id, row.extracted_at as extracted_at, ({kind.is_gone}) as is_gone "
        f"from raw.{kind.table} row {kind.joins} where {kind.where}"
    )


def _changes(
    connection: duckdb.DuckDBPyConnection, rows: str, since: datetime, after: datetime
) -> tuple[list[Change], datetime | None]:
    """The changes after ``after`` in rows read since ``since``, and when the newest of these rows was read."""
    read = f"with read as (select * from ({rows}) where extracted_at > ?)"
    found = connection.execute(
        f"{read} select subject, any_value(name), any_value(scope), changed_at, arg_max(sync_id, extracted_at) "
        "from read where changed_at > ? and not is_gone group by subject, changed_at order by changed_at, subject",
        [since, after],
    ).fetchall()
    [(until,)] = connection.execute(f"{read} select max(extracted_at) from read", [since]).fetchall()
    changes = [
        Change(subject, name or subject, scope, changed_at.astimezone(UTC), sync_id)
        for subject, name, scope, changed_at, sync_id in found
    ]
    return changes, until.astimezone(UTC) if until else None


def _stored(connection: duckdb.DuckDBPyConnection, rows: str, subjects: Collection[str]) -> dict[str, StoredSubject]:
    found = connection.execute(
        "select subject, max(changed_at), arg_max(sync_id, changed_at), bool_and(is_gone) "
        f"from ({rows}) semi join (select unnest(?::varchar[]) as subject) using (subject) "
        "where changed_at is not null group by subject",
        [list(subjects)],
    ).fetchall()
    return {
        subject: StoredSubject(changed_at.astimezone(UTC), sync_id, is_gone)
        for subject, changed_at, sync_id, is_gone in found
    }
