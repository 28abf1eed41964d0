"""The sensor that works off the inbox: its tick watches for files, and commits them within milliseconds.

A sensor that starts a run for each file needs 4 to 10 s before any of our code runs. A tick is warm code: it watches
for :data:`WATCH` and then begins anew. Where sensors share one thread (a ``dagster.yaml`` without
``sensors.use_threads``), a tick looks once, so that no other sensor waits for it.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from impulsum_pipelines.automation.jobs import sync_job_name
from impulsum_pipelines.automation.schedules import waiting_to_pull
from impulsum_pipelines.files import Home
from impulsum_pipelines.loading.assets import OWNER
from impulsum_pipelines.loading.raw import is_configured
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import CRITICAL, SOURCES
from impulsum_pipelines.webhooks.dropfiles import waiting

log = logging.getLogger(__name__)

#: Seconds that a tick watches; Dagster ends a tick after 60.
WATCH = 25.0
#: Seconds between two looks, and how long a tick goes on after something urgent, so that one pull serves a burst.
LOOK_EVERY, GATHER = 0.05, 1.0

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
    from impulsum_pipelines.webhooks.inbox import Worked, work_off

    settings = load_settings()
    watch = WATCH if _has_threads(context.instance) else 0.0
    until = time.monotonic() + watch
    worked = Worked()
    with ThreadPoolExecutor(1, thread_name_prefix="deliver") as messenger:
        telling = messenger.submit(_tell, settings)
        while True:
            before = len(worked.urgent)
            if waiting(Home.of(settings), 1):
                worked.add(work_off(settings))
                # One that has not begun yet tells of this, too: behind a slow channel no queue may grow.
                if telling.running() or telling.done():
                    telling = messenger.submit(_tell, settings)
            if len(worked.urgent) > before:
                until = min(until, time.monotonic() + min(GATHER, watch))
            if time.monotonic() >= until:
                break
            time.sleep(LOOK_EVERY)
    if not worked.files:
        return dg.SkipReason("Nothing came in.")
    return dg.SensorResult(
        run_requests=_pulls(context.instance, settings, worked.urgent),
        asset_events=[
            dg.AssetMaterialization(
                EVENTS,
                metadata={"new": worked.committed, "repeated": worked.repeated, "refused": worked.failed},
            )
        ],
    )


def _tell(settings: Settings) -> None:
    """Deliver what is due. What fails is tried again by the next tick; the inbox does not wait for it."""
    from impulsum_pipelines.alerts.escalation import escalate
    from impulsum_pipelines.alerts.outbox import deliver

    try:
        with transaction(settings) as connection:
            escalate(connection, settings, datetime.now(UTC))
        deliver(settings)
    except Exception:
        log.exception("notifications could not be delivered; the next tick tries again")


def _pulls(instance: dg.DagsterInstance, settings: Settings, sources: set[str]) -> list[dg.RunRequest]:
    """A live pull a source, unless one waits to begin: a running one may have begun before the change."""
    now = datetime.now(UTC)
    return [
        dg.RunRequest(
            job_name=sync_job_name(source.name),
            partition_key=now.date().isoformat(),
            tags={"dagster/priority": str(CRITICAL.priority)},
        )
        for source in SOURCES
        if source.name in sources
        and is_configured(source.name, settings)
        and waiting_to_pull(instance, source.name, now) is None
    ]


def _has_threads(instance: dg.DagsterInstance) -> bool:
    return bool((instance.get_settings("sensors") or {}).get("use_threads"))
