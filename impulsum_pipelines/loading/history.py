"""The history of syncs in the ops store: one row per sync from its start, and one per scope that it wrote to.

The history is for people; no pull depends on it. If the store cannot be reached, the sync logs a warning and continues.
A process that was killed leaves a row with the status ``running``. The next sync of the same source, which can only
start when no other runs, changes that status to ``cut off``.
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

#: Tag of a Dagster run that says who started it, where Dagster's own tags do not.
STARTED_BY_TAG = "impulsum/started_by"

#: Value of that tag for runs that the sensor ``catch_up`` asks for.
CATCH_UP = "catch-up"

#: Dagster's tags that say who started a run, with our word for each; the first one present counts.
_STARTERS = (
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
        starters = (starter for tag, starter in _STARTERS if tag in tags)
        return cls(tags.get(STARTED_BY_TAG) or next(starters, "manual"), run_id)


@dataclass
class Recording:
    """A sync that is being recorded.

    Args:
        sync_id: the sync.
        begun: the columns of its row that are known at its start.
        result: what it did; the caller sets it once the rows are in the raw file.
    """

    sync_id: str
    begun: dict[str, Any]
    result: LoadResult | None = None
    _has_warned: bool = field(default=False, repr=False)


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
    """Record one sync while the body runs; the caller holds the source's sync lock.

    The recorded status is ``done`` when the body returns, ``incomplete`` when it raises after its result was set,
    ``failed`` when it raises before, and ``cut off`` when it is interrupted.
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
    """The newest syncs, newest first: the columns of ``syncs``, and ``scopes`` with id, name and rows of each scope.

    Args:
        settings: the settings.
        source: only syncs of this source.
        started_by: only syncs that were started this way, see :class:`Origin`.
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
        scopes: dict[str, list[dict[str, Any]]] = {sync_id: [] for sync_id in ids}
        wanted = sa.select(sync_scopes).where(sync_scopes.c.sync_id.in_(ids)).order_by(sync_scopes.c.scope)
        for scope in connection.execute(wanted).mappings():
            scopes[scope["sync_id"]].append({name: scope[name] for name in ("scope", "name", "rows")})
    return [row | {"scopes": scopes[row["sync_id"]]} for row in found]


def first_starts(settings: Settings) -> dict[str, datetime]:
    """When the first sync of each source began, by the syncs that the history still keeps.

    Raises:
        ImpulsumError: the ops store cannot be used.
    """
    with store.transaction(settings) as connection:
        first = sa.select(syncs.c.source, sa.func.min(syncs.c.started_at).label("began")).group_by(syncs.c.source)
        return {row.source: row.began for row in connection.execute(first)}


def _begin(settings: Settings, recording: Recording) -> None:
    with _warn_on_failure(recording), store.transaction(settings) as connection:
        left = (syncs.c.source == recording.begun["source"]) & (syncs.c.status == "running")
        connection.execute(syncs.update().where(left).values(status="cut off"))
        connection.execute(syncs.insert().values(sync_id=recording.sync_id, **recording.begun))


def _end(settings: Settings, recording: Recording, outcome: Mapping[str, Any]) -> None:
    result = recording.result
    row = {**recording.begun, "finished_at": datetime.now(UTC), **outcome}
    scopes: Sequence[Any] = ()
    if result is not None:
        row |= {name: getattr(result, name) for name in _FIGURES}
        row |= {
            "finished_at": result.finished_at,
            "rows": {table: asdict(counts) for table, counts in result.rows.items()},
        }
        scopes = result.scopes
    with _warn_on_failure(recording), store.transaction(settings) as connection:
        # Replaced, not updated: the store may have been unreachable at the start.
        connection.execute(syncs.delete().where(syncs.c.sync_id == recording.sync_id))
        connection.execute(syncs.insert().values(sync_id=recording.sync_id, **row))
        if scopes:
            rows = [{"sync_id": recording.sync_id, **asdict(scope)} for scope in scopes]
            connection.execute(sync_scopes.insert(), rows)


def _outcome(error: BaseException, recording: Recording, settings: Settings) -> dict[str, Any]:
    if isinstance(error, ImpulsumError):
        text, category = error.what, error.category
    else:
        text, category = f"{type(error).__name__}: {error}", Category.INTERNAL
    ended = "failed" if recording.result is None else "incomplete"
    status = ended if isinstance(error, Exception) else "cut off"
    return {"status": status, "error_category": category.value, "error": sanitized(text, settings)}


@contextmanager
def _warn_on_failure(recording: Recording) -> Iterator[None]:
    """Warn once per sync when its history cannot be written."""
    try:
        yield
    except (ImpulsumError, sa.exc.SQLAlchemyError) as error:
        if not recording._has_warned:
            text = error if isinstance(error, ImpulsumError) else sanitized(f"{type(error).__name__}: {error}")
            log.warning(
                "The history of sync %s is not recorded; the sync itself continues: %s", recording.sync_id, text
            )
        recording._has_warned = True
