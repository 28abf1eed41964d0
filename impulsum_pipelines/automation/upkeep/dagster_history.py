"""Delete Dagster history older than a cutoff: runs with their logs, check results, ticks, finished backfills, and
events that sensors reported outside of any run.

Dagster has no retention for most of this, and no public API to delete all of it: only this module uses the private
names that are needed.

Some of it is kept however old it is: the run that last materialized an asset or a day of it, because Dagster knows from
that run that the day is loaded; the last result of each check; the last report on each asset and day; the last tick of
each schedule and sensor, from which Dagster computes the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import BackfillTagsTable, BulkActionsTable

#: Records per query.
_PIECE = 500


@dataclass(frozen=True)
class PrunedHistory:
    """What was deleted, and how large Dagster's storage is.

    Args:
        runs: deleted runs, with their events and logs.
        runs_kept: old runs that are kept because they last materialized an asset or a day of it.
        checks: deleted check results.
        reports: deleted events that sensors reported outside of any run.
        backfills: deleted finished backfills.
        bytes_before: size of the storage before, in bytes.
        bytes_after: size of the storage after, in bytes.
    """

    runs: int
    runs_kept: int
    checks: int
    reports: int
    backfills: int
    bytes_before: int
    bytes_after: int


def prune_history(instance: dg.DagsterInstance, before: datetime) -> PrunedHistory:
    """Delete what ended before a cutoff. After an interruption it can simply run again.

    Args:
        instance: Dagster's instance.
        before: the cutoff, with a time zone.
    """
    bytes_before = storage_size(instance)
    old = instance.get_run_ids(dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=before))
    needed = set(_last_materializing(instance, before)) if old else set()
    doomed = [run_id for run_id in old if run_id not in needed]
    for run_id in doomed:
        _delete_run(instance, run_id)
    _purge_ticks(instance, before)
    return PrunedHistory(
        runs=len(doomed),
        runs_kept=len(old) - len(doomed),
        checks=_delete_checks(instance, before),
        reports=_delete_reports(instance, before),
        backfills=_delete_backfills(instance, before),
        bytes_before=bytes_before,
        bytes_after=storage_size(instance),
    )


def storage_size(instance: dg.DagsterInstance) -> int:
    """Size of Dagster's storage in bytes: its PostgreSQL database, if it has one, and the files in its folder."""
    total = sum(file.stat().st_size for file in _files(instance))
    storage = instance.run_storage
    if isinstance(storage, SqlRunStorage):
        with storage.connect() as connection:
            if connection.dialect.name == "postgresql":
                total += int(connection.execute(sa.text("select pg_database_size(current_database())")).scalar_one())
    return total


def _files(instance: dg.DagsterInstance) -> Iterator[Path]:
    for folder in ("history", "schedules", "storage"):
        yield from (file for file in (Path(instance.root_directory) / folder).rglob("*") if file.is_file())


def _last_materializing(instance: dg.DagsterInstance, before: datetime) -> Iterator[str]:
    """Ids of old runs that last materialized an asset or a partition of it."""
    for key in instance.get_asset_keys():
        if (last := instance.get_latest_materialization_event(key)) is not None:
            yield last.run_id
        by_partition = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        for ids in _pieces(list(by_partition.values())):
            wanted = dg.AssetRecordsFilter(key, storage_ids=ids, before_timestamp=before.timestamp())
            for record in instance.fetch_materializations(wanted, limit=_PIECE).records:
                yield record.run_id


def _pieces(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _PIECE):
        yield ids[start : start + _PIECE]


def _delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Like ``instance.delete_run``, but the run itself is deleted last, so that a kill -9 leaves no orphans."""
    events = instance.event_log_storage
    events.delete_events(run_id)
    if isinstance(events, SqliteEventLogStorage):
        shard = Path(events.path_for_shard(run_id))
        for file in shard.parent.glob(f"{shard.name}*"):  # with its write-ahead log and index beside it
            file.unlink(missing_ok=True)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.run_storage.delete_run(run_id)


def _delete_checks(instance: dg.DagsterInstance, before: datetime) -> int:
    events = instance.event_log_storage
    if not isinstance(events, SqlEventLogStorage):
        return 0
    table = AssetCheckExecutionsTable
    last = sa.select(sa.func.max(table.c.id)).group_by(table.c.asset_key, table.c.check_name, table.c.partition)
    with events.index_connection() as connection:
        old = table.c.create_timestamp < _as_stored(before)
        return int(connection.execute(table.delete().where(old, table.c.id.not_in(last))).rowcount)


def _delete_reports(instance: dg.DagsterInstance, before: datetime) -> int:
    events = instance.event_log_storage
    if not isinstance(events, SqlEventLogStorage):
        return 0
    if isinstance(events, SqliteEventLogStorage):  # stores them a second time, in the file of a run that does not exist
        with events.run_connection(RUNLESS_RUN_ID) as connection:
            _delete_reports_from(connection, before)
    with events.index_connection() as connection:
        return _delete_reports_from(connection, before)


def _delete_reports_from(connection: sa.Connection, before: datetime) -> int:
    table, tags, checks = SqlEventLogStorageTable, AssetEventTagsTable, AssetCheckExecutionsTable
    of_no_run = table.c.run_id == RUNLESS_RUN_ID
    same = (table.c.dagster_event_type, table.c.asset_key, table.c.partition)
    last = sa.select(sa.func.max(table.c.id)).where(of_no_run).group_by(*same)
    shown = sa.select(checks.c.evaluation_event_storage_id).where(checks.c.evaluation_event_storage_id.is_not(None))
    old = sa.and_(of_no_run, table.c.timestamp < _as_stored(before), table.c.id.not_in(last), table.c.id.not_in(shown))
    connection.execute(tags.delete().where(tags.c.event_id.in_(sa.select(table.c.id).where(old))))
    return int(connection.execute(table.delete().where(old)).rowcount)


def _purge_ticks(instance: dg.DagsterInstance, before: datetime) -> None:
    for state in instance.all_instigator_state():
        origin, selector = state.instigator_origin_id, state.selector_id
        if last := instance.get_ticks(origin, selector, limit=1):
            instance.purge_ticks(origin, selector, min(before.timestamp(), last[0].timestamp))


def _delete_backfills(instance: dg.DagsterInstance, before: datetime) -> int:
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        return 0
    table, tags = BulkActionsTable, BackfillTagsTable
    ended = table.c.status.in_([status.value for status in BULK_ACTION_TERMINAL_STATUSES])
    old = sa.select(table.c.key).where(table.c.timestamp < _as_stored(before), ended)
    with storage.connect() as connection:
        connection.execute(tags.delete().where(tags.c.backfill_id.in_(old)))
        return int(connection.execute(table.delete().where(table.c.key.in_(old))).rowcount)


def _as_stored(moment: datetime) -> datetime:
    """UTC without a zone, as Dagster's own tables store times."""
    return moment.astimezone(UTC).replace(tzinfo=None)
