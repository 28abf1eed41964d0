"""The jobs that schedules, sensors, the command line and people run.

Each job runs in one process: importing the code location costs more than most steps, and a DuckDB file has one writer
anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from impulsum_pipelines.checks.source import freshness_check
from impulsum_pipelines.marts.risk_alerts import SIGNALS
from impulsum_pipelines.tiers import ALERT, DEEP, SOURCES, STRATEGIC, Source

#: Any job, as sensors take it. Dagster has no public name for the type of an asset job.
Job = dg.JobDefinition | UnresolvedAssetJobDefinition

#: Names of the jobs that pull every source.
PULLING_ALL = ("main", "nightly")

#: Tag of a run that pulls one source: ``dagster.yaml`` keeps one slot free of such runs.
ONE_SOURCE_TAG = "impulsum/pulls_one"

#: Name of the job that reads sprints completely and builds.
SPRINT_REFRESH = "sprint_refresh"


def sync_job_name(source: str) -> str:
    """The name of the job that pulls and checks one source."""
    return f"{source}_sync"


def pull_config(source: str, **config: object) -> dict[str, object]:
    """The run configuration for the pull of one source, without the outer ``ops``.

    Args:
        source: name of the source.
        config: fields of :class:`impulsum_pipelines.loading.assets.PullConfig`.
    """
    return {f"{source}_pull": {"config": config}}


def build_sync_jobs() -> list[UnresolvedAssetJobDefinition]:
    """One job per source, which pulls it and runs its checks."""
    return [
        _job(
            sync_job_name(source.name),
            _pulls(source),
            f"Pull {source.title} and check what is stored. Today's partition pulls live; a past one reads its day "
            "again.",
            priority=source.priority,
            tags={ONE_SOURCE_TAG: "true"},
        )
        for source in SOURCES
    ]


def build_mart_jobs(
    marts: dg.AssetsDefinition, published: dg.AssetsDefinition, risk_alerts: dg.AssetsDefinition
) -> list[UnresolvedAssetJobDefinition]:
    """The jobs that end with the published file and with alerts on risks."""
    publish = dg.AssetSelection.assets(published, risk_alerts)
    build = dg.AssetSelection.assets(marts) | publish
    risk = dg.AssetSelection.assets(marts) & dg.AssetSelection.assets(SIGNALS).upstream()
    sources = _pulls(*SOURCES)
    return [
        _job("main", sources | build, "Pull every source, check, build the marts, publish."),
        _job("build", build, "Build the marts from what is stored, check them, publish."),
        _job(
            "nightly",
            sources | build,
            "The nightly close: read yesterday again, pull live with a census, build, publish.",
            priority=STRATEGIC.priority,
        ),
        _job(
            "risk",
            risk | publish,
            "Build only risk.signals from what is stored, publish, and alert on risks that are new, worse or over.",
            priority=ALERT.priority,
        ),
        _job(
            SPRINT_REFRESH,
            _pulls(*(source for source in SOURCES if source.name == "jira")) | build,
            "Read started or completed sprints completely, with their boards, and build, for velocity.",
            priority=ALERT.priority,
        ),
        _job(
            "rebuild",
            build,
            "Build every mart from scratch, check, publish.",
            priority=DEEP.priority,
            config={"ops": {"marts": {"config": {"full_refresh": True}}}},
        ),
    ]


def _pulls(*sources: Source) -> dg.AssetSelection:
    """The assets and checks of these sources, without the freshness checks, which the sensor ``freshness`` runs.

    A pull that fails runs no check, and Dagster shows each check of its job as failed. That would hide the answer of
    the sensor exactly when people need it.
    """
    checked_by_sensor = dg.AssetSelection.checks(*(freshness_check(source.name) for source in sources))
    return dg.AssetSelection.groups(*(source.name for source in sources)) - checked_by_sensor


def _job(
    name: str,
    selection: dg.AssetSelection,
    description: str,
    priority: int = 0,
    config: dict[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection,
        description=description,
        config=config,
        executor_def=dg.in_process_executor,
        tags={"dagster/priority": str(priority), **(tags or {})},
    )
