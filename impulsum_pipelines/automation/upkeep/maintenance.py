"""The nightly job ``maintenance``: deletes old rows of the ops store, old drop files and old Dagster history.

``IMPULSUM_KEEP_DAYS`` and ``IMPULSUM_KEEP_RUN_DAYS`` say how long they are kept. The steps are independent: if one
fails, the others still run.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from datetime import UTC, datetime, timedelta

import dagster as dg

from impulsum_pipelines.base.failing import failure
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.settings import Settings, load_settings

#: After the nightly close and before the working day.
_NIGHTLY = "30 4 * * *"


def build_maintenance(settings: Settings) -> dg.Definitions:
    """The job ``maintenance`` and its schedule, which is on by default."""
    return dg.Definitions(
        jobs=[maintenance],
        schedules=[
            dg.ScheduleDefinition(
                name="maintenance",
                job=maintenance,
                cron_schedule=_NIGHTLY,
                execution_timezone=settings.impulsum_timezone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Runs maintenance every night: deletes what is older than IMPULSUM_KEEP_DAYS and "
                "IMPULSUM_KEEP_RUN_DAYS.",
            )
        ],
    )


@dg.op(out=dg.Out(dg.Nothing))
def prune_ops_store(context: dg.OpExecutionContext) -> None:
    """Delete old events, syncs and resolved alerts from the ops store."""
    from impulsum_pipelines.ops.retention import prune_store

    settings = load_settings()
    before = datetime.now(UTC) - timedelta(days=settings.impulsum_keep_days)
    try:
        pruned = prune_store(settings, before)
    except ImpulsumError as error:
        raise failure(error, context.retry_number) from error
    context.add_output_metadata(
        {
            "deleted before": dg.MetadataValue.timestamp(before),
            **{f"{table} deleted": count for table, count in pruned.rows.items()},
            **_sizes(pruned.bytes_before, pruned.bytes_after),
        }
    )


@dg.op(out=dg.Out(dg.Nothing))
def prune_dagster_history(context: dg.OpExecutionContext) -> None:
    """Delete old runs with their logs, check results, ticks and finished backfills from Dagster's storage."""
    from impulsum_pipelines.automation.upkeep.dagster_history import prune_history

    before = datetime.now(UTC) - timedelta(days=load_settings().impulsum_keep_run_days)
    pruned = prune_history(context.instance, before)
    context.add_output_metadata(
        {
            "deleted before": dg.MetadataValue.timestamp(before),
            "runs deleted": pruned.runs,
            "runs kept, the last of an asset or its day": pruned.runs_kept,
            "check results deleted": pruned.checks,
            "reports of sensors deleted": pruned.reports,
            "backfills deleted": pruned.backfills,
            **_sizes(pruned.bytes_before, pruned.bytes_after),
        }
    )


@dg.op(out=dg.Out(dg.Nothing))
def prune_inbox(context: dg.OpExecutionContext) -> None:
    """Delete drop files that were processed long ago, and after a longer time those that failed."""
    from impulsum_pipelines.webhooks.receiving.dropfiles import prune_failed, prune_processed

    settings = load_settings()
    home, now = Home.of(settings), datetime.now(UTC)
    before = now - timedelta(days=settings.impulsum_keep_run_days)
    failed_before = now - timedelta(days=settings.impulsum_keep_days)
    context.add_output_metadata(
        {
            "deleted before": dg.MetadataValue.timestamp(before),
            "files deleted": prune_processed(home, before),
            "failed files deleted before": dg.MetadataValue.timestamp(failed_before),
            "failed files deleted": prune_failed(home, failed_before),
        }
    )


@dg.job(
    executor_def=dg.in_process_executor,
    tags={"dagster/priority": "-20"},
    description="Deletes old rows of the ops store, old drop files and old Dagster history.",
)
def maintenance() -> None:
    """The steps, in any order."""
    prune_ops_store()
    prune_inbox()
    prune_dagster_history()


def _sizes(before: int, after: int) -> dict[str, float]:
    return {"size before (MB)": round(before / 1e6, 3), "size after (MB)": round(after / 1e6, 3)}
