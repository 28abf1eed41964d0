"""Each check of the dbt project is seen to fail on corrupted data, and to name nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from impulsum_pipelines_tests.velocity.conftest import ZONE, Make
from impulsum_pipelines_tests.velocity.warehouse import OF_JIRA, query, run_dbt

pytestmark = pytest.mark.xdist_group("velocity")

#: what is done to a table of a sound warehouse -> words in the names of the checks that must then fail
CORRUPTIONS = {
    "update velocity.sprint_velocity set final_points = final_points + 1 where estimation_field_id is not null": (
        "measures_add_up_sprint_velocity",
        "scope_changes_add_up",
    ),
    "update velocity.sprint_velocity set completed_issues = 99": ("completed_is_part_of_final_sprint_velocity",),
    "update velocity.sprint_velocity set done_rule = 'guess', state = 'future'": (
        "accepted_values_sprint_velocity_done_rule",
        "accepted_values_sprint_velocity_state",
    ),
    "update velocity.sprint_velocity set sprint_id = 'no such sprint' where sprint_id = "
    "(select min(sprint_id) from velocity.sprint_velocity)": ("relationships_sprint_velocity",),
    "insert into velocity.sprint_scope_changes select * from velocity.sprint_scope_changes limit 1": (
        "primary_key_sprint_scope_changes",
    ),
    "update velocity.sprint_scope_changes set issue_id = 'no such issue', change = 'vanished'": (
        "relationships_sprint_scope_changes_issue_id",
        "accepted_values_sprint_scope_changes_change",
    ),
    "insert into velocity.issue_cycle_times select * from velocity.issue_cycle_times limit 1": (
        "primary_key_issue_cycle_times",
    ),
    "insert into velocity.throughput_daily select * from velocity.throughput_daily limit 1": (
        "primary_key_throughput_daily",
    ),
    "insert into velocity.weekly select * from velocity.weekly limit 1": ("primary_key_weekly",),
    "update velocity.trends set month = null": ("primary_key_trends",),
    "update core.issues set status_category = 'lost'": ("accepted_values_issues_status_category",),
    "insert into core.issues select * from core.issues limit 1": ("primary_key_issues_issue_id",),
    "update core.sprints set sprint_id = null": ("primary_key_sprints_sprint_id",),
    "insert into quality.completeness select * from quality.completeness limit 1": ("primary_key_completeness",),
    "update intermediate.int_jira__status_spans set valid_from = valid_from - interval 1 year where valid_to is null": (
        "spans_do_not_overlap_int_jira__status_spans",
    ),
    "delete from intermediate.int_jira__field_spans where valid_to is not null": ("spans_cover_life",),
    "insert into intermediate.int_jira__sprint_spans select * from intermediate.int_jira__sprint_spans limit 1": (
        "spans_do_not_overlap_int_jira__sprint_spans",
    ),
    "insert into intermediate.int_jira__sprint_scope select * from intermediate.int_jira__sprint_scope limit 1": (
        "primary_key_int_jira__sprint_scope",
    ),
    "update intermediate.int_jira__now set as_of = null": ("not_null_int_jira__now",),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, copy_of_built: Make) -> Path:
    """A sound warehouse, corrupted in every way at once and tested again; ``failed.json`` names what failed."""
    home = tmp_path_factory.mktemp("corrupted")
    copy_of_built(home)
    (unsound,) = query(home, "select count(*) as n from audit.node_results where status not in ('success', 'pass')")
    assert unsound["n"] == 0
    with duckdb.connect(home / "warehouse.duckdb") as warehouse:
        for statement in CORRUPTIONS:
            warehouse.execute(statement)
    with duckdb.connect(home / "raw" / "jira.duckdb") as raw:
        # Rewritten without the key that the loader's table has, which would not take the double.
        raw.execute("create table raw.copy as from raw.links; drop table raw.links")
        raw.execute("alter table raw.copy rename to links; insert into raw.links (id) values ('1'), ('1')")
    done = run_dbt(home, "test", *OF_JIRA, "source:jira.links", "--exclude-resource-type", "unit_test", **ZONE)
    assert done.returncode == 1, done.stdout
    results = json.loads((home / "target" / "run_results.json").read_text())["results"]
    failed = [result["unique_id"] for result in results if result["status"] == "fail"]
    (home / "failed.json").write_text(json.dumps(failed))
    return home


@pytest.mark.parametrize("statement", CORRUPTIONS)
def test_a_check_fails_on_corrupted_data(home: Path, statement: str) -> None:
    failed = json.loads((home / "failed.json").read_text())
    for name in CORRUPTIONS[statement]:
        assert any(name in check for check in failed), (name, failed)


def test_a_source_check_fails_on_a_doubled_id(home: Path) -> None:
    failed = json.loads((home / "failed.json").read_text())
    assert any("source_primary_key_jira_links" in check for check in failed)


def test_failures_are_on_record_for_the_publisher(home: Path) -> None:
    failed = json.loads((home / "failed.json").read_text())
    recorded = query(home, "select unique_id from audit.node_results where status = 'fail'")
    assert {row["unique_id"] for row in recorded} == set(failed)
    invocations = query(home, "select command, finished_at is not null as ended from audit.invocations order by all")
    assert invocations == [{"command": "build", "ended": True}, {"command": "test", "ended": True}]
