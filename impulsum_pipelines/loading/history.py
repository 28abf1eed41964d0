"""The history of syncs: one row a sync from its start, whichever door started it, and one a part that it wrote to.

History is told, not relied on: a store that is out of reach is warned of, and the pull goes on. A process that was
killed leaves ``running`` behind; the next sync of the same source, which can only start when no other runs, finds it
and calls it ``cut off``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from impulsum_pipelines.base.sanitize import sanitized
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops import store
from impulsum_pipelines.ops.schema import sync_scopes, syncs
from impulsum_pipelines.settings import Settings

if TYPE_CHECKING:
    from impulsum_pipelines.loading.result import LoadResult

log = logging.getLogger(__name__)

#: Tag of a Dagster run with the door that started it, where Dagster's own tags do not say.
STARTED_BY_TAG = "impulsum/started_by"

#: Its value for what the sensor ``catch_up`` asks for.
CATCH_UP = "catch-up"

#: Dagster's tags of who started a run, and our word for each; the first that is there counts.
_DOORS = (
    ("dagster/backfill", "backfill"),
    ("dagster/schedule_name", "schedule"),
    ("dagster/sensor_name", "sensor"),
    ("dagster/from_automation_condition", "sensor"),
)

_FIGURES = ("requests", "limit_waits", "limit_wait_seconds", "extract_seconds", "normalize_seconds", "load_seconds")


@dataclass(frozen=True)
class Origin:
    """Who started a sync.

    Args:
        started_by: schedule, sensor, catch-up, backfill, shell or manual.
        run_id: the Dagster run.
    """

    started_by: str = "manual"
    run_id: str | None = None

    @classmethod
    def of_run(cls, run_id: str, tags: Mapping[str, str]) -> Origin:
        """The origin of a sync in a Dagster run with these tags."""
        doors = (door for tag, door in _DOORS if tag in tags)
        return cls(tags.get(STARTED_BY_TAG) or next(doors, "manual"), run_id)


@dataclass
class Recording:
    """A sync that is being recorded.

    Args:
        sync_id: the sync.
        begun: its row as far as it is known at its start.
        result: what it did; to be set once that is in the raw file.
    """

    sync_id: str
    begun: dict[str, Any]
    result: LoadResult | None = None
    _is_warned: bool = field(default=False, repr=False)


@contextmanager
def recorded(
    settings: Settings,
    *,
    sync_id: str,
    source: str,
    origin: Origin,
    window: tuple[datetime, datetime] | None,
    census: bool,
    started_at: datetime,
) -> Iterator[Recording]:
    """Record one sync from its start to its end, as the body ends; the caller holds the source's sync lock.

    The sync is ``done`` when the body returns, ``incomplete`` when it raises after its result was set, ``failed``
    when it raises before, and ``cut off`` when it is interrupted.
    """
    start, end = window or (None, None)
    recording = Recording(
        sync_id,
        {
            "source": source,
            "started_by": origin.started_by,
            "run_id": origin.run_id,
            "mode": "window" if window else "live",
            "census": census,
            "window_start": start,
            "window_end": end,
            "started_at": started_at,
            "status": "running",
        },
    )
    _begin(settings, recording)
    try:
        yield recording
    except BaseException as error:
        _end(settings, recording, _outcome(error, recording, settings))
        raise
    _end(settings, recording, {"status": "done"})


def recent(
    settings: Settings, *, source: str | None = None, started_by: str | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """The newest syncs, the newest first: columns of ``syncs``, and ``scopes`` with id, name and rows of each part.

    Args:
        settings: the settings.
        source: only this source.
        started_by: only those that were started so.
        limit: how many at most.

    Raises:
        ImpulsumError: the ops store cannot be used.
    """
    chosen = sa.select(syncs).order_by(syncs.c.started_at.desc(), syncs.c.sync_id).limit(limit)
    if source is not None:
        chosen = chosen.where(syncs.c.source == source)
    if started_by is not None:
        chosen = chosen.where(syncs.c.started_by == started_by)
    with store.transaction(settings) as connection:
        found = [dict(row) for row in connection.execute(chosen).mappings()]
        ids = [row["sync_id"] for row in found]
        parts: dict[str, list[dict[str, Any]]] = {sync_id: [] for sync_id in ids}
        wanted = sa.select(sync_scopes).where(sync_scopes.c.sync_id.in_(ids)).order_by(sync_scopes.c.scope)
        for part in connection.execute(wanted).mappings():
            parts[part["sync_id"]].append({name: part[name] for name in ("scope", "name", "rows")})
    return [row | {"scopes": parts[row["sync_id"]]} for row in found]


def first_starts(settings: Settings) -> dict[str, datetime]:
    """When each source was first tried, of what is kept.

    Raises:
        ImpulsumError: the ops store cannot be used.
    """
    with store.transaction(settings) as connection:
        first = sa.select(syncs.c.source, sa.func.min(syncs.c.started_at).label("began")).group_by(syncs.c.source)
        return {row.source: row.began for row in connection.execute(first)}


def _begin(settings: Settings, recording: Recording) -> None:
    with _going_on(recording), store.transaction(settings) as connection:
        left = (syncs.c.source == recording.begun["source"]) & (syncs.c.status == "running")
        connection.execute(syncs.update().where(left).values(status="cut off"))
        connection.execute(syncs.insert().values(sync_id=recording.sync_id, **recording.begun))


def _end(settings: Settings, recording: Recording, outcome: Mapping[str, Any]) -> None:
    result = recording.result
    row = {**recording.begun, "finished_at": datetime.now(UTC), **outcome}
    parts: Sequence[Any] = ()
    if result is not None:
        row |= {name: getattr(result, name) for name in _FIGURES}
        row |= {
            "finished_at": result.finished_at,
            "rows": {table: asdict(counts) for table, counts in result.rows.items()},
        }
        parts = result.scopes
    with _going_on(recording), store.transaction(settings) as connection:
        # Anew, since the store may have been out of reach at the start.
        connection.execute(syncs.delete().where(syncs.c.sync_id == recording.sync_id))
        connection.execute(syncs.insert().values(sync_id=recording.sync_id, **row))
        if parts:
            connection.execute(sync_scopes.insert(), [{"sync_id": recording.sync_id, **asdict(part)} for part in parts])


def _outcome(error: BaseException, recording: Recording, settings: Settings) -> dict[str, Any]:
    if isinstance(error, ImpulsumError):
        said, category = error.what, error.category
    else:
        said, category = f"{type(error).__name__}: {error}", Category.INTERNAL
    ended = "failed" if recording.result is None else "incomplete"
    status = ended if isinstance(error, Exception) else "cut off"
    return {"status": status, "error_category": category.value, "error": sanitized(said, settings)}


@contextmanager
def _going_on(recording: Recording) -> Iterator[None]:
    """Warn, once a sync, when its history cannot be written."""
    try:
        yield
    except (ImpulsumError, sa.exc.SQLAlchemyError) as error:
        if not recording._is_warned:
            said = error if isinstance(error, ImpulsumError) else sanitized(f"{type(error).__name__}: {error}")
            log.warning("The history of sync %s is not recorded: %s", recording.sync_id, said)
        recording._is_warned = True
