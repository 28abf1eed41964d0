"""The sensor ``inbox``: commits each drop file within milliseconds of its arrival.

A sensor that starts a run per file needs 4 to 10 s before any of our code runs. Here the code server itself processes
the inbox, see :mod:`impulsum_pipelines.automation.sensors.watcher`; a tick reports what was done and requests pulls
for urgent events. Where sensors share one thread (a ``dagster.yaml`` without ``sensors.use_threads``), a tick looks
once, so that no other sensor waits for it.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from impulsum_pipelines.automation.jobs import sync_job_name
from impulsum_pipelines.automation.sensors.urgent import to_pull
from impulsum_pipelines.base.failing import OWNER
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import CRITICAL

if TYPE_CHECKING:
    from impulsum_pipelines.webhooks.events.inbox import InboxResult

#: Seconds that a tick watches; Dagster ends a tick after 60.
WATCH = 25.0
#: Seconds that it goes on after something urgent, so that one pull serves a burst.
GATHER = 1.0

EVENTS = dg.AssetKey(["webhooks", "events"])


def build_inbox(jobs: Sequence[Any]) -> dg.Definitions:
    """The sensor ``inbox``, on by default, and the asset ``webhooks/events`` that it materializes.

    Args:
        jobs: those that pull the sources.
    """
    spec = dg.AssetSpec(
        EVENTS,
        description="What the tools said by themselves: one row an event in the ops store, judged and kept whole.",
        group_name="webhooks",
        owners=[OWNER],
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
                description="Commits drop files within moments, raises alerts, and pulls the source of what is urgent.",
            )
        ],
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    settings = load_settings()
    worked = _watched(settings) if _has_threads(context.instance) else _looked_once(settings)
    pulls = _pulls(context.instance, settings)
    if not worked.files and not pulls:
        left = f"; {worked.left} that can be neither read nor moved, see the log" if worked.left else ""
        return dg.SkipReason(f"Nothing came in{left}.")
    counted = f"{worked.committed} new events, {worked.repeated} repeated, {worked.failed} files refused"
    return dg.SensorResult(
        run_requests=pulls,
        skip_reason=None if pulls else f"No source is to be pulled at once: {counted}.",
        asset_events=[
            dg.AssetMaterialization(
                EVENTS,
                metadata={"new": worked.committed, "repeated": worked.repeated, "refused": worked.failed},
            )
        ]
        if worked.files
        else [],
    )


def _watched(settings: Settings) -> "InboxResult":
    from impulsum_pipelines.automation.sensors.watcher import LINGER, the_watcher

    watcher = the_watcher(settings)
    watcher.watch(LINGER)
    if watcher.wait_for_urgent(WATCH):
        time.sleep(GATHER)
    return watcher.take()


def _looked_once(settings: Settings) -> "InboxResult":
    from impulsum_pipelines.automation.sensors.watcher import tell
    from impulsum_pipelines.webhooks.events.inbox import process_inbox

    worked = process_inbox(settings)
    tell(settings)
    return worked


def _pulls(instance: dg.DagsterInstance, settings: Settings) -> list[dg.RunRequest]:
    """A live pull of each source of which something urgent was said."""
    now = datetime.now(UTC)
    return [
        dg.RunRequest(
            job_name=sync_job_name(source),
            partition_key=now.date().isoformat(),
            tags={"dagster/priority": str(CRITICAL.priority)},
        )
        for source in to_pull(instance, settings, now)
    ]


def _has_threads(instance: dg.DagsterInstance) -> bool:
    return bool((instance.get_settings("sensors") or {}).get("use_threads"))
