"""A build as its neighbours see it: no pull waits for it, and Dagster says what each table holds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from impulsum_pipelines.files import Home, connect
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import load_settings


def test_a_pull_loads_while_dbt_builds(sandbox: Callable[..., Any], tmp_path: Path, monkeypatch: Any) -> None:
    site = sandbox(seed=8, issues=60)
    home = Home(tmp_path / "home", lock_seconds=0)
    held = run_load("jira", load_settings()).rows["issues"].new
    command = [sys.executable, "-c", "from impulsum_pipelines.cli import main; main()", "build"]
    with subprocess.Popen(command, env=os.environ.copy(), stderr=subprocess.PIPE, text=True) as building:
        log = home.root / "dbt" / "dbt.log"
        while not (log.exists() and "START" in log.read_text()):  # dbt has the files open now
            assert building.poll() is None, building.communicate()[1]
            time.sleep(0.05)
        site.control("create_issue", project="ATLAS")
        monkeypatch.setenv("IMPULSUM_LOCK_SECONDS", "1")
        assert run_load("jira", load_settings()).rows["issues"].new == 1
        assert building.poll() is None
        said = building.communicate()[1]
    assert building.returncode == 0, said
    assert not (home.work / "build").exists()
    with connect(home.warehouse, read_only=True) as warehouse:
        assert warehouse.execute("select count(*) from core.issues").fetchone() == (held,)
        columns = warehouse.execute("select column_name from duckdb_columns() where table_name = 'issues'").fetchall()

    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["core", "issues"]))
    assert event and event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == held
    told = metadata["dagster/column_schema"].value
    assert isinstance(told, dg.TableSchema)
    assert {column.name for column in told.columns} == {name for (name,) in columns}
    assert all(column.description for column in told.columns)
