"""Everything Dagster sees, put together. ``workspace.yaml`` names this module.

Reads settings, and parses the dbt project if it changed since the last time; opens no network and no data file.
"""

from __future__ import annotations

import dagster as dg

from impulsum_pipelines.automation.jobs import build_jobs
from impulsum_pipelines.automation.schedules import build_schedules
from impulsum_pipelines.checks.source import build_source_checks
from impulsum_pipelines.loading.assets import build_books, build_source_assets
from impulsum_pipelines.marts import build_marts, build_published
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import TIERS


def build_definitions() -> dg.Definitions:
    """The code location, for the settings of the environment as it is now."""
    settings = load_settings()
    marts = build_marts()
    products = [marts, build_published(marts)]
    return dg.Definitions(
        assets=[
            *(build_source_assets(tier, settings) for tier in TIERS),
            *(spec for tier in TIERS for spec in build_books(tier)),
            *products,
        ],
        asset_checks=[build_source_checks(tier) for tier in TIERS],
        jobs=build_jobs(products),
        schedules=build_schedules(settings),
        executor=dg.in_process_executor,
    )


defs = build_definitions()
