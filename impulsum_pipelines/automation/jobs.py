"""The jobs: what can be run as one, by a schedule, from the command line or by hand.

All of them run in one process: importing the code location costs more than most steps, and DuckDB files have one
writer anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from impulsum_pipelines.checks.source import watermark_age
from impulsum_pipelines.tiers import TIERS

#: Names of the jobs that pull every source.
PULLING_ALL = ("main", "nightly")


def sync_job_name(source: str) -> str:
    """Name of the job that pulls one source and checks it."""
    return f"{source}_sync"


def pull_config(source: str, *, census: bool) -> dict[str, object]:
    """Run configuration of a job for the pull of one source, without the outer ``ops``."""
    return {f"{source}_pull": {"config": {"census": census}}}


def build_sync_jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """One job per source, which pulls it and answers its checks."""
    return [
        _job(
            sync_job_name(tier.source),
            dg.AssetSelection.groups(tier.source),
            f"Pull {tier.title} and check what is held. Today's partition pulls live; a closed one re-reads its day.",
            priority=tier.priority,
        )
        for tier in TIERS
    ]


def build_mart_jobs(marts: Sequence[dg.AssetsDefinition]) -> list[dg.UnresolvedAssetJobDefinition]:
    """The jobs that end in the published file.

    Args:
        marts: the dbt assets and the published file.
    """
    build = dg.AssetSelection.assets(*marts)
    sources = dg.AssetSelection.groups(*(tier.source for tier in TIERS))
    keeping_up = dg.AssetSelection.checks(*(watermark_age(tier.source) for tier in TIERS))
    return [
        _job("main", sources | build, "Everything: pull every source, check, build the marts, publish."),
        _job(
            "build",
            build | keeping_up,
            "Build the marts from what is held, check them, publish. Also asks whether each source keeps up.",
        ),
        _job(
            "nightly",
            sources | build,
            "The nightly close: read the closed day again, pull live with a census, build, publish.",
            priority=max(tier.priority for tier in TIERS) + 1,
        ),
    ]


def _job(
    name: str, selection: dg.AssetSelection, description: str, priority: int = 0
) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection,
        description=description,
        executor_def=dg.in_process_executor,
        tags={"dagster/priority": str(priority)},
    )
