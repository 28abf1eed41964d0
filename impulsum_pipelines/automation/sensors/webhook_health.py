"""The sensor that holds webhooks and pulls against each other after every pull, and has missed days read again.

It looks at the ops store once a minute, and at a source when a sync of it ended, whichever door started that. So no
pull waits for it or fails with it. That a source is pulled faster while its webhooks are silent is its schedule's
work, ``<source>_fallback``.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from impulsum_pipelines.automation.jobs import sync_job_name
from impulsum_pipelines.automation.sensors.inbox import EVENTS
from impulsum_pipelines.base.failing import OWNER
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import is_configured
from impulsum_pipelines.tiers import READ_AGAIN, SOURCES

if TYPE_CHECKING:
    from impulsum_pipelines.webhooks.health.check import HealthCheckResult

log = logging.getLogger(__name__)

HEALTH = dg.AssetKey(["webhooks", "health"])


def build_webhook_health(jobs: Sequence[Any]) -> dg.Definitions:
    """The sensor ``webhook_health``, on by default, and the asset ``webhooks/health`` that it materializes.

    Args:
        jobs: those that pull the sources.
    """
    spec = dg.AssetSpec(
        HEALTH,
        description="What webhooks told of held against what pulls saw: delivery rate, ranges that were missed, and "
        "whether a source is pulled faster because its webhooks are silent.",
        deps=[EVENTS],
        group_name="webhooks",
        owners=[OWNER],
        kinds={"sql"},
    )
    return dg.Definitions(
        assets=[spec],
        sensors=[
            dg.SensorDefinition(
                name="webhook_health",
                evaluation_fn=_tick,
                jobs=jobs,
                minimum_interval_seconds=60,
                default_status=dg.DefaultSensorStatus.RUNNING,
                description="After each pull, holds what it saw against what webhooks told of; alerts where they do "
                "not agree, and reads days again whose events no pull has shown.",
            )
        ],
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    settings, now = load_settings(), datetime.now(UTC)
    checked = _check(settings, now)
    requests = _read_again(settings, now)
    if not checked and not requests:
        return dg.SkipReason("No pull of a source with webhooks ended since the last look.")
    events = [dg.AssetMaterialization(HEALTH, metadata=_metadata(settings, checked, now))] if checked else []
    return dg.SensorResult(run_requests=requests, asset_events=events)


def _check(settings: Settings, now: datetime) -> "list[HealthCheckResult]":
    """Look at the sources of which a sync ended. One that cannot be read now is looked at by the next tick."""
    from impulsum_pipelines.webhooks.health.check import check, is_due

    found = []
    for source in SOURCES:
        try:
            if is_configured(source.name, settings) and is_due(settings, source):
                found.append(check(settings, source, at=now))
        except ImpulsumError as error:
            log.warning("the webhooks of %s are looked at by a later tick: %s", source.name, error)
    return [checked for checked in found if checked is not None]


def _read_again(settings: Settings, now: datetime) -> list[dg.RunRequest]:
    """A run, once a day, for each day that is over and whose events no pull has shown."""
    from impulsum_pipelines.webhooks.health.missed import days_to_read_again

    with transaction(settings) as connection:
        days = days_to_read_again(connection, now.date())
    return [
        dg.RunRequest(
            run_key=f"{source}:{day}:{now.date()}",
            job_name=sync_job_name(source),
            partition_key=day.isoformat(),
            tags={"dagster/priority": str(READ_AGAIN)},
        )
        for source, day in days
        if is_configured(source, settings)
    ]


def _metadata(settings: Settings, checked: "list[HealthCheckResult]", now: datetime) -> dict[str, Any]:
    """What each source's webhooks did today, where they were looked at."""
    from impulsum_pipelines.webhooks.health.report import standings

    standing = {standing.source.name: standing for standing in standings(settings, at=now, days=1)}
    metadata: dict[str, Any] = {}
    for each in checked:
        name, [today] = each.source.name, standing[each.source.name].days
        metadata[f"{name}: mode"] = standing[name].mode
        metadata[f"{name}: changes of today that webhooks told of"] = today.told
        metadata[f"{name}: changes of today that they missed"] = today.missed
        metadata[f"{name}: events that no pull shows"] = each.unseen
        if today.rate is not None:
            metadata[f"{name}: delivery rate of today (%)"] = round(100 * today.rate, 1)
    return metadata
