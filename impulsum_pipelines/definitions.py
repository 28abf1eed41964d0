"""All Dagster definitions. ``workspace.yaml`` names this module.

It reads the settings, and parses the dbt project if that changed; it opens no network connection and no data file.
Importing it builds nothing: Dagster calls :func:`defs`, and a command that only pulls a source calls
:func:`build_source_definitions`.
"""

from __future__ import annotations

import logging
import os

import dagster as dg
from dagster_shared.libraries import DagsterLibraryRegistry

from impulsum_pipelines.automation.jobs import build_mart_jobs, build_sync_jobs
from impulsum_pipelines.automation.schedules import build_schedules
from impulsum_pipelines.automation.sensors.catch_up import build_catch_up
from impulsum_pipelines.automation.sensors.freshness import build_freshness
from impulsum_pipelines.automation.sensors.inbox import build_inbox
from impulsum_pipelines.automation.sensors.sprint_events import build_sprint_events
from impulsum_pipelines.automation.sensors.webhook_health import build_webhook_health
from impulsum_pipelines.automation.upkeep.maintenance import build_maintenance
from impulsum_pipelines.base.version import DISTRIBUTION, version_and_commit
from impulsum_pipelines.checks.source import build_source_checks
from impulsum_pipelines.loading.assets import build_metadata_assets, build_source_assets
from impulsum_pipelines.marts.risk_alerts import build_risk_alerts
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES

log = logging.getLogger(__name__)


def build_source_definitions() -> dg.Definitions:
    """Assets, checks and sync jobs of the sources. They do not need dbt, so a pull works when its project is broken."""
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
    """Everything in the code location, for the settings of the environment."""
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
    """The definitions that Dagster loads."""
    # The page of the code location lists the libraries that it stands on.
    DagsterLibraryRegistry.register(DISTRIBUTION, version_and_commit(), is_dagster_package=False)
    warn_of_temporary_history()
    return build_definitions()


def warn_of_temporary_history() -> None:
    """Warn when ``dagster dev`` was started without DAGSTER_HOME: only the process that starts it could set it."""
    if os.environ.get("DAGSTER_IS_DEV_CLI") and not os.environ.get("DAGSTER_HOME"):
        log.warning(
            "DAGSTER_HOME is not set: this history is in a temporary folder, is deleted at the end, and lacks the runs "
            'of the shell. To keep one history, use `make dev`, or export DAGSTER_HOME="$(.venv/bin/impulsum '
            'dagster-home)" first.'
        )
