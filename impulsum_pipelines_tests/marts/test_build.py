"""A build and its surroundings: no pull waits for it, and Dagster shows rows and columns of each table."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.definitions import build_definitions
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.marts.figures import FIGURES
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.marts.conftest import BUILD, Query

ISSUES = dg.AssetKey(["core", "issues"])


def _issues(file: Path) -> int:
    with connect(file, read_only=True) as raw:
        [(count,)] = raw.execute("select count(*) from raw.issues").fetchall()
    return int(count)


def test_a_pull_loads_while_dbt_builds(sandbox: Callable[..., Any], tmp_path: Path, monkeypatch: Any) -> None:
    site = sandbox(seed=8, issues=60)
    home = Home(tmp_path / "home", lock_seconds=0)
    loaded = run_load("jira", load_settings()).rows["issues"].new
    with subprocess.Popen(BUILD, stderr=subprocess.PIPE, text=True, start_new_session=True) as building:
        log = home.root / "dbt" / "dbt.log"
        while not (log.exists() and "START" in log.read_text()):  # dbt has the files open now
            assert building.poll() is None, building.communicate()[1]
            time.sleep(0.05)
        site.control("create_issue", project="ATLAS")
        monkeypatch.setenv("IMPULSUM_LOCK_SECONDS", "1")
        assert run_load("jira", load_settings()).rows["issues"].new == 1
        assert building.poll() is None
        # The build uses the data that was stored when it began.
        assert (_issues(home.work / "build" / "jira.duckdb"), _issues(home.raw("jira"))) == (loaded, loaded + 1)
        os.killpg(building.pid, signal.SIGKILL)


@pytest.mark.xdist_group("marts")
def test_dagster_shows_rows_and_columns_of_a_table(published: Path, rows: Query) -> None:
    with dg.DagsterInstance.from_config(str(published.parent / "dagster")) as instance:
        event = instance.get_latest_materialization_event(ISSUES)
    assert event and event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert [(metadata["dagster/row_count"].value,)] == rows("select count(*) from core.issues")
    assert [(metadata["open issues"].value,)] == rows(
        "select count(*) from core.issues where status_category != 'done' and not is_deleted"
    )
    schema = metadata["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    columns = rows("select column_name from duckdb_columns() where schema_name = 'core' and table_name = 'issues'")
    assert {column.name for column in schema.columns} == {name for (name,) in columns}
    assert all(column.description for column in schema.columns)


@pytest.mark.xdist_group("marts")
def test_dagster_plots_every_key_number(published: Path) -> None:
    """It plots what is a number. Where the rows give none, such as an average of nothing, there is a gap."""
    kinds = {}
    with dg.DagsterInstance.from_config(str(published.parent / "dagster")) as instance:
        for table, figures in FIGURES.items():
            event = instance.get_latest_materialization_event(dg.AssetKey(table))
            assert event and event.asset_materialization
            metadata = event.asset_materialization.metadata
            kinds |= {name: type(metadata[name].value) for name in figures if name in metadata}
    assert {"open issues", "open pull requests", "closed sprints", "open risks P1"} <= set(kinds)
    assert set(kinds.values()) <= {int, float}, kinds


@pytest.mark.xdist_group("marts")
def test_dagster_shows_types_and_descriptions_of_a_view(published: Path) -> None:
    with dg.DagsterInstance.from_config(str(published.parent / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["staging", "stg_jira__issues"]))
    assert event and event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert "dagster/row_count" not in metadata, "to count a view is to compute it"
    schema = metadata["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert "status_category" in {column.name for column in schema.columns}
    assert all(column.type and column.description for column in schema.columns)


@pytest.mark.xdist_group("marts")
def test_a_partial_build_runs_the_checks_of_its_tables_and_the_selected_ones(published: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("IMPULSUM_HOME", str(published.parent))
    table, check = dg.AssetKey(["core", "sprints"]), dg.AssetCheckKey(ISSUES, "primary_key_issues_issue_id")
    part = dg.define_asset_job("part", dg.AssetSelection.assets(table) | dg.AssetSelection.checks(check))
    project = dg.Definitions.merge(build_definitions(), dg.Definitions(jobs=[part]))
    result = project.resolve_job_def("part").execute_in_process()
    evaluations = {evaluation.asset_check_key for evaluation in result.get_asset_check_evaluations()}
    checks = project.get_repository_def().asset_graph.get_check_keys_for_assets({table})
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [table]
    assert checks and evaluations == {check, *checks}


@pytest.mark.xdist_group("marts")
def test_every_column_of_the_marts_is_described_in_the_file(rows: Query) -> None:
    assert rows("select count(*) > 200 from duckdb_columns() where comment is not null") == [(True,)]
    undescribed = "select table_name, column_name from duckdb_columns() where comment is null and not internal"
    assert rows(undescribed) == []


@pytest.mark.xdist_group("marts")
def test_numbers_have_types_that_every_reader_knows(rows: Query) -> None:
    """Most readers take DuckDB's HUGEINT, the type of a sum or count_if, for a floating-point number."""
    assert rows("select table_name, column_name from duckdb_columns() where data_type = 'HUGEINT'") == []


@pytest.mark.xdist_group("marts")
def test_a_build_deletes_its_copies(published: Path) -> None:
    assert not (published.parent / "work" / "build").exists()
