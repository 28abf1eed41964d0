"""The jobs: what can be run as one, by a schedule, from the command line or by hand.

All of them run in one process: importing the code location costs more than most steps, and DuckDB files have one
writer anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from impulsum_pipelines.checks.source import freshness_check
from impulsum_pipelines.marts.risk_alerts import SIGNALS
from impulsum_pipelines.tiers import ALERT, DEEP, SOURCES, STRATEGIC, Source

#: Names of the jobs that pull every source.
PULLING_ALL = ("main", "nightly")

#: Tag of a run that pulls one source: ``dagster.yaml`` keeps a slot free of them.
ONE_SOURCE_TAG = "impulsum/pulls_one"

#: Name of the job that reads sprints whole and builds.
SPRINT_REFRESH = "sprint_refresh"


def sync_job_name(source: str) -> str:
    """Name of the job that pulls one source and checks it."""
    return f"{source}_sync"


def pull_config(source: str, **config: object) -> dict[str, object]:
    """Run configuration of a job for the pull of one source, without the outer ``ops``.

    Args:
        source: the source.
        config: fields of :class:`impulsum_pipelines.loading.assets.PullConfig`.
    """
    return {f"{source}_pull": {"config": config}}


def build_sync_jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """One job per source, which pulls it and answers its checks."""
    return [
        _job(
            sync_job_name(source.name),
            _pulls(source),
            f"Pull {source.title} and check what is held. Today's partition pulls live; a closed one re-reads its day.",
            priority=source.priority,
            tags={ONE_SOURCE_TAG: "true"},
        )
        for source in SOURCES
    ]


def build_mart_jobs(
    marts: dg.AssetsDefinition, published: dg.AssetsDefinition, risk_alerts: dg.AssetsDefinition
) -> list[dg.UnresolvedAssetJobDefinition]:
    """The jobs that end in the published file and in alerts of what is at risk."""
    afterwards = dg.AssetSelection.assets(published, risk_alerts)
    build = dg.AssetSelection.assets(marts) | afterwards
    risk = dg.AssetSelection.assets(marts) & dg.AssetSelection.assets(SIGNALS).upstream()
    sources = _pulls(*SOURCES)
    return [
        _job("main", sources | build, "Everything: pull every source, check, build the marts, publish."),
        _job("build", build, "Build the marts from what is held, check them, publish."),
        _job(
            "nightly",
            sources | build,
            "The nightly close: read the closed day again, pull live with a census, build, publish.",
            priority=STRATEGIC.priority,
        ),
        _job(
            "risk",
            risk | afterwards,
            "Build risk.signals alone from what is held, publish, and alert on what is new, worse, or over.",
            priority=ALERT.priority,
        ),
        _job(
            SPRINT_REFRESH,
            _pulls(*(source for source in SOURCES if source.name == "jira")) | build,
            "Read sprints that were started or completed whole, with their boards, and build, for velocity.",
            priority=ALERT.priority,
        ),
        _job(
            "rebuild",
            build,
            "Build every mart from nothing, check, publish.",
            priority=DEEP.priority,
            config={"ops": {"marts": {"config": {"full_refresh": True}}}},
        ),
    ]


def _pulls(*sources: Source) -> dg.AssetSelection:
    """The sources with their checks, but for freshness.

    A pull that fails answers no check, and Dagster shows each that it would have answered as failed: the very moment
    in which the sensor ``freshness`` must be read.
    """
    asked_by_sensor = dg.AssetSelection.checks(*(freshness_check(source.name) for source in sources))
    return dg.AssetSelection.groups(*(source.name for source in sources)) - asked_by_sensor


def _job(
    name: str,
    selection: dg.AssetSelection,
    description: str,
    priority: int = 0,
    config: dict[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection,
        description=description,
        config=config,
        executor_def=dg.in_process_executor,
        tags={"dagster/priority": str(priority), **(tags or {})},
    )
