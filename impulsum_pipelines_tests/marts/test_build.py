"""A build and its surroundings: no pull waits for it, and Dagster shows rows and columns of each table."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.definitions import build_definitions
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.marts import build
from impulsum_pipelines.marts.figures import FIGURES
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.marts.conftest import Query

PULLS, VIEW = dg.AssetKey(["core", "pull_requests"]), dg.AssetKey(["staging", "stg_github__pull_requests"])
CHECK = dg.AssetCheckKey(dg.AssetKey(["core", "issues"]), "primary_key_issues_issue_id")


class Built(NamedTuple):
    """A build of a table and a view, and one check of another table.

    Args:
        home: where it ran: a copy of the firm.
        result: what Dagster shows of it.
        checks: the checks of the table and the view.
        issues: how many issues dbt had, and how many were stored, while dbt ran and others wrote.
    """

    home: Home
    result: dg.ExecuteInProcessResult
    checks: set[dg.AssetCheckKey]
    issues: tuple[int, int]

    def shown(self, asset: dg.AssetKey) -> Mapping[str, Any]:
        """What Dagster shows of an asset that was built."""
        [event] = [e for e in self.result.get_asset_materialization_events() if e.asset_key == asset]
        return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.fixture(scope="module")
def part(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A job of Dagster that builds a part, while every raw file is written to."""
    home = Home(tmp_path_factory.mktemp("part"), lock_seconds=0)
    shutil.copy(published.with_name("warehouse.duckdb"), home.root)
    shutil.copytree(published.with_name("raw"), home.root / "raw")
    job = dg.define_asset_job("part", dg.AssetSelection.assets(PULLS, VIEW) | dg.AssetSelection.checks(CHECK))
    project = dg.Definitions.merge(build_definitions(), dg.Definitions(jobs=[job]))
    run = build.run_dbt_build
    issues: list[int] = []

    def write_meanwhile(*arguments: Any, **options: Any) -> Iterator[Any]:
        for event in run(*arguments, **options):
            if not issues:
                for source in SOURCES:
                    with home.write_raw(source.name) as raw:  # is refused at once if a build keeps it locked
                        raw.execute("insert into raw.syncs (sync_id) values ('meanwhile')")
                        if source.name == "jira":
                            raw.execute("insert into raw.issues select * replace ('0' as id) from raw.issues limit 1")
                issues.extend((_issues(home.work / "build" / "jira.duckdb"), _issues(home.raw("jira"))))
            yield event

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPULSUM_HOME", str(home.root))
        patch.setattr(build, "run_dbt_build", write_meanwhile)
        result = project.resolve_job_def("part").execute_in_process()
    checks = project.get_repository_def().asset_graph.get_check_keys_for_assets({PULLS, VIEW})
    return Built(home, result, set(checks), (issues[0], issues[1]))


def _issues(file: Path) -> int:
    with connect(file, read_only=True) as raw:
        [(count,)] = raw.execute("select count(*) from raw.issues").fetchall()
    return int(count)


@pytest.mark.xdist_group("marts")
def test_raw_files_are_written_while_dbt_builds_from_copies(part: Built, rows: Query) -> None:
    [(before,)] = rows("select count(*) from core.issues")
    assert part.issues == (before, before + 1)
    assert not (part.home.work / "build").exists(), "the copies are still there"


@pytest.mark.exhaustive
def test_a_pull_loads_while_dbt_builds(
    sandbox: SandboxFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = sandbox(seed=8, issues=60)
    home = Home(tmp_path / "home", lock_seconds=0)
    loaded = run_load("jira", load_settings()).rows["issues"].new
    command = (sys.executable, "-c", "from impulsum_pipelines.cli import main; main()", "build")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as building:
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
def test_dagster_shows_rows_and_columns_of_a_table(part: Built, rows: Query) -> None:
    shown = part.shown(PULLS)
    assert [(shown["dagster/row_count"],)] == rows("select count(*) from core.pull_requests")
    schema = shown["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    columns = rows(
        "select column_name from duckdb_columns() where schema_name = 'core' and table_name = 'pull_requests'"
    )
    assert {column.name for column in schema.columns} == {name for (name,) in columns}
    assert all(column.description for column in schema.columns)


@pytest.mark.xdist_group("marts")
def test_dagster_plots_the_key_numbers_of_a_table(part: Built, rows: Query) -> None:
    assert [(part.shown(PULLS)["open pull requests"],)] == rows(
        "select count(*) from core.pull_requests where closed_at is null and merged_at is null and not is_deleted"
    )


@pytest.mark.xdist_group("marts")
def test_every_key_number_is_a_number(rows: Query) -> None:
    """Dagster plots what is a number. Where the rows give none, such as an average of nothing, there is a gap."""
    for (schema, table), figures in FIGURES.items():
        [values] = rows(f"select {', '.join(figures.values())} from {schema}.{table}")
        assert all(value is None or isinstance(value, int | float | Decimal) for value in values), (table, values)


@pytest.mark.xdist_group("marts")
def test_dagster_shows_types_and_descriptions_of_a_view(part: Built) -> None:
    shown = part.shown(VIEW)
    assert "dagster/row_count" not in shown, "to count a view is to compute it"
    schema = shown["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert "merged_at" in {column.name for column in schema.columns}
    assert all(column.type and column.description for column in schema.columns)


@pytest.mark.xdist_group("marts")
def test_a_partial_build_runs_the_checks_of_its_tables_and_the_selected_ones(part: Built) -> None:
    evaluations = {evaluation.asset_check_key for evaluation in part.result.get_asset_check_evaluations()}
    assert {event.asset_key for event in part.result.get_asset_materialization_events()} == {PULLS, VIEW}
    assert part.checks and evaluations == {CHECK, *part.checks}


@pytest.mark.xdist_group("marts")
def test_every_column_of_the_marts_is_described_in_the_file(rows: Query) -> None:
    assert rows("select count(*) > 200 from duckdb_columns() where comment is not null") == [(True,)]
    undescribed = "select table_name, column_name from duckdb_columns() where comment is null and not internal"
    assert rows(undescribed) == []


@pytest.mark.xdist_group("marts")
def test_numbers_have_types_that_every_reader_knows(rows: Query) -> None:
    """Most readers take DuckDB's HUGEINT, the type of a sum or count_if, for a floating-point number."""
    assert rows("select table_name, column_name from duckdb_columns() where data_type = 'HUGEINT'") == []
