"""The pull job end to end: a service over HTTP, rows in the raw file, every check passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from impulsum_pipelines.automation.jobs import pull_config
from impulsum_pipelines.definitions import build_source_definitions
from impulsum_pipelines_tests.conftest import SandboxFactory


@pytest.mark.usefixtures("quick_loads")
def test_a_night_closes_the_day_with_a_census_and_passes_every_check(
    sandbox: SandboxFactory, light_instance: dg.DagsterInstance
) -> None:
    now = datetime.now(UTC)
    sandbox(seed=3, issues=30, now=now.isoformat())
    job = build_source_definitions().resolve_job_def("jira_sync")
    days = [f"{day:%Y-%m-%d}" for day in (now - timedelta(days=1), now)]
    result = job.execute_in_process(
        instance=light_instance,
        run_config={"ops": pull_config("jira", census=True)},
        tags=dict(zip(("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"), days, strict=True)),
    )
    assert result.success
    assert light_instance.get_materialized_partitions(dg.AssetKey(["jira", "issues"])) == set(days)
    found = {(e.asset_key.path[-1], e.check_name): e for e in result.get_asset_check_evaluations()}
    assert {key: e.description for key, e in found.items() if not e.passed} == {}
    assert found["issues", "completeness"].metadata["stored"].value == 30
    assert "agree" in str(found["issues", "census_agreement"].description)
