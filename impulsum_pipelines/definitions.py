"""Everything Dagster sees, put together. ``workspace.yaml`` names this module.

Reads settings, and parses the dbt project if it changed since the last time; opens no network and no data file.
Importing it builds nothing yet: Dagster calls :func:`defs`, and who only pulls a source asks for that alone.
"""

from __future__ import annotations

import dagster as dg

from impulsum_pipelines.automation.jobs import build_mart_jobs, build_sync_jobs
from impulsum_pipelines.automation.schedules import build_schedules
from impulsum_pipelines.automation.sensors.catch_up import build_catch_up
from impulsum_pipelines.automation.sensors.freshness import build_freshness
from impulsum_pipelines.automation.sensors.inbox import build_inbox
from impulsum_pipelines.automation.sensors.sprint_events import build_sprint_events
from impulsum_pipelines.automation.sensors.webhook_health import build_webhook_health
from impulsum_pipelines.automation.upkeep.maintenance import build_maintenance
from impulsum_pipelines.checks.source import build_source_checks
from impulsum_pipelines.loading.assets import build_metadata_assets, build_source_assets
from impulsum_pipelines.marts.risk_alerts import build_risk_alerts
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES


def build_source_definitions() -> dg.Definitions:
    """The sources: their assets, checks and sync jobs. They can be had where dbt cannot parse its project."""
    settings = load_settings()
    return dg.Definitions(
        assets=[
            *(build_source_assets(source, settings) for source in SOURCES),
            *(spec for source in SOURCES for spec in build_metadata_assets(source)),
        ],
        asset_checks=[build_source_checks(source) for source in SOURCES],
        jobs=build_sync_jobs(),
        executor=dg.in_process_executor,
    )


def build_definitions() -> dg.Definitions:
    """The code location, for the settings of the environment as it is now."""
    from impulsum_pipelines.marts.assets import build_marts, build_published

    marts = build_marts()
    products = marts, build_published(marts), build_risk_alerts()
    sources = build_source_definitions()
    builds = build_mart_jobs(*products)
    return dg.Definitions.merge(
        sources,
        dg.Definitions(
            assets=products,
            jobs=builds,
            schedules=build_schedules(load_settings()),
        ),
        build_inbox(list(sources.jobs or ())),
        build_catch_up(list(sources.jobs or ())),
        build_sprint_events(builds),
        build_webhook_health(list(sources.jobs or ())),
        build_freshness(),
        build_maintenance(load_settings()),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_definitions()
