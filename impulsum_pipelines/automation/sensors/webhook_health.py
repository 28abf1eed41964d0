"""The sensor ``webhook_health``: after every pull, compares it with the webhooks, and reads missed days again.

It checks the ops store once a minute, and checks a source when a sync of it has ended, no matter what started the sync.
So no pull waits for it or fails with it. The schedule ``<source>_fallback`` pulls a source faster while its webhooks
are silent.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from impulsum_pipelines.automation.jobs import Job, pull_config, sync_job_name
from impulsum_pipelines.automation.sensors.inbox import EVENTS
from impulsum_pipelines.base.catalog import owners, source_files, tags
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.partitions import reading
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import is_configured
from impulsum_pipelines.tiers import READ_AGAIN, SOURCES

if TYPE_CHECKING:
    from impulsum_pipelines.webhooks.health.check import HealthCheckResult

log = logging.getLogger(__name__)

HEALTH = dg.AssetKey(["webhooks", "health"])


def build_webhook_health(jobs: Sequence[Job]) -> dg.Definitions:
    """The sensor ``webhook_health``, on by default, and the asset ``webhooks/health`` that it materializes.

    Args:
        jobs: the jobs that pull the sources.
    """
    spec = dg.AssetSpec(
        HEALTH,
        description="Changes that webhooks reported, compared with those that pulls saw: delivery rate, missed ranges, "
        "and whether a source is pulled faster because its webhooks are silent.",
        deps=[EVENTS],
        group_name="webhooks",
        owners=owners("webhooks"),
        tags=tags("product", "every-sync"),
        metadata=source_files(Path(__file__)),
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
                description="After each pull, compares what it saw with what webhooks reported. Raises an alert when "
                "they do not agree, and reads a day again when no pull has shown its events.",
            )
        ],
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    settings, now = load_settings(), datetime.now(UTC)
    checked = _check(settings, now)
    requests = _read_again(settings, now)
    if not checked and not requests:
        return dg.SkipReason("No pull of a source with webhooks has ended since the last check.")
    events = [dg.AssetMaterialization(HEALTH, metadata=_metadata(settings, checked, now))] if checked else []
    return dg.SensorResult(run_requests=requests, asset_events=events)


def _check(settings: Settings, now: datetime) -> "list[HealthCheckResult]":
    """Check the sources that had a sync end. A source that cannot be read now is checked by the next tick."""
    from impulsum_pipelines.webhooks.health.check import check, is_due

    found = []
    for source in SOURCES:
        try:
            if is_configured(source.name, settings) and is_due(settings, source):
                found.append(check(settings, source, at=now))
        except ImpulsumError as error:
            log.warning("the webhooks of %s are checked by a later tick: %s", source.name, error)
    return [checked for checked in found if checked is not None]


def _read_again(settings: Settings, now: datetime) -> list[dg.RunRequest]:
    """One run per past day with events that no pull has shown, requested once a day."""
    from impulsum_pipelines.webhooks.health.missed import days_to_read_again

    with transaction(settings) as connection:
        days = days_to_read_again(connection, now.date())
    return [
        dg.RunRequest(
            run_key=f"{source}:{day}:{now.date()}",
            job_name=sync_job_name(source),
            run_config={"ops": pull_config(source, **config)} if config else None,
            tags={**tags, "dagster/priority": str(READ_AGAIN)},
        )
        for source, day in days
        if is_configured(source, settings)
        for tags, config in [reading(day, day, settings)]
    ]


def _metadata(settings: Settings, checked: "list[HealthCheckResult]", now: datetime) -> dict[str, Any]:
    """Today's figures of the sources that were checked."""
    from impulsum_pipelines.webhooks.health.report import standings

    standing = {standing.source.name: standing for standing in standings(settings, at=now, days=1)}
    metadata: dict[str, Any] = {}
    for each in checked:
        name, [today] = each.source.name, standing[each.source.name].days
        metadata[f"{name}: mode"] = standing[name].mode
        metadata[f"{name}: changes of today that webhooks reported"] = today.told
        metadata[f"{name}: changes of today that webhooks missed"] = today.missed
        metadata[f"{name}: events that no pull shows"] = each.unseen
        if today.rate is not None:
            metadata[f"{name}: delivery rate of today (%)"] = round(100 * today.rate, 1)
    return metadata
