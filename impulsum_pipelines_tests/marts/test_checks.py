"""Every check of the dbt project fails on damaged data: each table is damaged in the way that its checks must find."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from impulsum_pipelines.marts.manifest import fresh_manifest
from impulsum_pipelines.marts.specs import mart_specs
from impulsum_pipelines_tests.marts.velocity.warehouse import Dbt, query

pytestmark = [pytest.mark.xdist_group("marts"), pytest.mark.long]

#: The rule of a check -> the statement that damages its table. In this order, so that no statement repairs or deletes
#: the damage of an earlier one.
DAMAGE = {
    "spans_cover_life": "delete from {table}",
    "spans_do_not_overlap": "insert into {table} (valid_from, valid_to) values ('2026-11-02', '2026-11-01')",
    "primary_key": "insert into {table} default values",
    "not_null": "insert into {table} default values",
    "accepted_values": "insert into {table} ({column_name}) values ('no such value')",
    "relationships": "insert into {table} ({column_name}) values ('none of {table}')",
    "measures_add_up": "insert into {table} (final_issues, committed_issues, added_issues, removed_issues)"
    " values (2, 1, 0, 0)",
    "completed_is_part_of_final": "insert into {table} (completed_issues, unfinished_issues, final_issues)"
    " values (1, 1, 1)",
    "scope_changes_add_up": "insert into velocity.sprint_velocity (sprint_id, final_issues) values ('unchanged', 1)",
    "started_sprints_have_a_start": "insert into {table} (state, is_deleted) values ('closed', false)",
    "signals_are_sound": "insert into {table} (score) values (101)",
    "steps_in_order": "insert into {table} ({columns[1]}, {columns[0]}) values ('2026-11-01', '2026-11-02')",
    "private_text_is_null": "insert into {table} (is_private, {columns[0]}) values (true, 'secret')",
}
#: Checks of only a part of their table.
OF_A_PART = {
    "relationships_signals_subject_id": "insert into {table} (subject_kind, subject_id)"
    " values ('issue', 'none of {table}')",
}
ZONE = {"IMPULSUM_TIMEZONE": "Europe/Berlin", "IMPULSUM_BUSINESS_HOURS": "9-17"}


def checks() -> Mapping[str, dict[str, Any]]:
    """Every check of the tables that a build makes or reads, by its name in dbt."""
    nodes, built = fresh_manifest()["nodes"], {tuple(spec.key.path) for spec in mart_specs().assets}

    def is_built(name: str | None) -> bool:
        model = nodes.get(name or "")  # a raw table is not a model
        return model is None or (model["schema"], model["name"]) in built

    return {
        name: node
        for name, node in nodes.items()
        if node["resource_type"] == "test" and is_built(node["attached_node"])
    }


def damages() -> Iterator[tuple[str, str]]:
    """The rule and the damaging statement of each check of a table that dbt builds."""
    models = fresh_manifest()["nodes"]
    for check in checks().values():
        model = models.get(check["attached_node"] or "", {})
        if model and model["config"]["materialized"] != "view":
            rule = check["test_metadata"]
            of_a_part = (statement for name, statement in OF_A_PART.items() if check["name"].startswith(name))
            statement = next(of_a_part, DAMAGE[rule["name"]])
            table = f'{model["schema"]}."{model["name"]}"'
            yield rule["name"], statement.format(table=table, **rule["kwargs"])


def double_every_row(raw: Path) -> None:
    """Double every row of every table, and add a row of nulls; the tables lose their keys, which would not allow it."""
    with duckdb.connect(raw) as file:
        tables = file.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        for (table,) in tables:
            file.execute(f"create table raw.copy as from raw.{table} union all from raw.{table}")
            file.execute("insert into raw.copy default values")
            file.execute(f"drop table raw.{table}; alter table raw.copy rename to {table}")


class Damaged(NamedTuple):
    """A warehouse that passed every check, then damaged in every way and tested again.

    Args:
        home: where it is.
        failed: the checks that failed, by their name in dbt.
    """

    home: Path
    failed: set[str]


@pytest.fixture(scope="module")
def damaged(dbt: Dbt, published: Path, tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    """A damaged copy of the warehouse of the firm."""
    home = tmp_path_factory.mktemp("damaged")
    shutil.copy(published.with_name("warehouse.duckdb"), home)
    shutil.copytree(published.with_name("raw"), home / "raw")
    (not_passed,) = query(home, "select count(*) as n from audit.node_results where status not in ('success', 'pass')")
    assert not_passed["n"] == 0
    for raw in (home / "raw").glob("*.duckdb"):
        double_every_row(raw)
    with duckdb.connect(home / "warehouse.duckdb") as warehouse:
        for _, statement in sorted(damages(), key=lambda damage: list(DAMAGE).index(damage[0])):
            warehouse.execute(statement)
    done = dbt.run(home, "test", "--exclude-resource-type", "unit_test", **ZONE)
    assert not done.succeeded
    return Damaged(home, {name for name, (status, _) in done.results.items() if status in {"fail", "warn"}})


def test_every_check_fails_on_damaged_data(damaged: Damaged) -> None:
    undetected = sorted(checks().keys() - damaged.failed)
    assert not undetected, "\n".join(undetected)


def test_failures_are_stored_for_the_publisher(damaged: Damaged) -> None:
    recorded = query(damaged.home, "select unique_id from audit.node_results where status in ('fail', 'warn')")
    assert {row["unique_id"] for row in recorded} == damaged.failed
    invocations = query(damaged.home, "select command, finished_at is not null as ended from audit.invocations")
    assert {"command": "test", "ended": True} in invocations
