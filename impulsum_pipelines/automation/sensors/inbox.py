"""The sensor ``inbox``: commits each drop file within milliseconds of its arrival.

A sensor that starts a run per file needs 4 to 10 s before any of our code runs. Here the code server itself processes
the inbox, see :mod:`impulsum_pipelines.automation.sensors.watcher`; a tick reports what was done and requests pulls
for urgent events. If all sensors share one thread (a ``dagster.yaml`` without ``sensors.use_threads``), a tick
processes the inbox once, so that no other sensor waits for it.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from impulsum_pipelines.automation.jobs import Job, sync_job_name
from impulsum_pipelines.automation.sensors.urgent import sources_to_pull
from impulsum_pipelines.base.catalog import owners, source_files, tags
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import CRITICAL

if TYPE_CHECKING:
    from impulsum_pipelines.webhooks.events.inbox import InboxResult

#: Seconds that a tick waits for something urgent; Dagster ends a tick after 60.
WATCH = 25.0
#: Seconds that it waits after something urgent, so that one pull serves a burst of events.
GATHER = 1.0

EVENTS = dg.AssetKey(["webhooks", "events"])


def build_inbox(jobs: Sequence[Job]) -> dg.Definitions:
    """The sensor ``inbox``, on by default, and the asset ``webhooks/events`` that it materializes.

    Args:
        jobs: the jobs that pull the sources.
    """
    spec = dg.AssetSpec(
        EVENTS,
        description="Webhook events: one row per event in the ops store, complete and with its priority.",
        group_name="webhooks",
        owners=owners("webhooks"),
        tags=tags("raw", "within-seconds"),
        metadata=source_files(Path(__file__)),
        kinds={"sql"},
    )
    return dg.Definitions(
        assets=[spec],
        sensors=[
            dg.SensorDefinition(
                name="inbox",
                evaluation_fn=_tick,
                jobs=jobs,
                minimum_interval_seconds=5,
                default_status=dg.DefaultSensorStatus.RUNNING,
                description="Commits drop files within moments, raises alerts, and pulls sources with urgent events.",
            )
        ],
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    settings = load_settings()
    done = _wait_for_watcher(settings) if _has_threads(context.instance) else _process_once(settings)
    pulls = _pulls(context.instance, settings)
    if not done.files and not pulls:
        left = f" {done.left} drop files can neither be read nor moved, see the log." if done.left else ""
        return dg.SkipReason(f"No drop file arrived.{left}")
    counts = f"{done.committed} new events, {done.repeated} repeated, {done.failed} files refused"
    return dg.SensorResult(
        run_requests=pulls,
        skip_reason=None if pulls else f"No event needs a pull at once: {counts}.",
        asset_events=[
            dg.AssetMaterialization(
                EVENTS,
                metadata={"new": done.committed, "repeated": done.repeated, "refused": done.failed},
            )
        ]
        if done.files
        else [],
    )


def _wait_for_watcher(settings: Settings) -> "InboxResult":
    from impulsum_pipelines.automation.sensors.watcher import LINGER, get_watcher

    watcher = get_watcher(settings)
    watcher.watch(LINGER)
    if watcher.wait_for_urgent(WATCH):
        time.sleep(GATHER)
    return watcher.take()


def _process_once(settings: Settings) -> "InboxResult":
    from impulsum_pipelines.automation.sensors.watcher import send_notifications
    from impulsum_pipelines.webhooks.events.inbox import process_inbox

    done = process_inbox(settings)
    send_notifications(settings)
    return done


def _pulls(instance: dg.DagsterInstance, settings: Settings) -> list[dg.RunRequest]:
    """A live pull of each source with an urgent event."""
    now = datetime.now(UTC)
    return [
        dg.RunRequest(
            job_name=sync_job_name(source),
            partition_key=now.date().isoformat(),
            tags={"dagster/priority": str(CRITICAL.priority)},
        )
        for source in sources_to_pull(instance, settings, now)
    ]


def _has_threads(instance: dg.DagsterInstance) -> bool:
    return bool((instance.get_settings("sensors") or {}).get("use_threads"))
