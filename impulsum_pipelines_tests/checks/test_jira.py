"""Each asset check passes on sound data, and is seen to fail on data corrupted in the way that it guards against."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.source import build_source_checks, source_checks
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.checks import support

[JIRA] = [source for source in SOURCES if source.name == "jira"]
evaluate = partial(support.evaluate, "jira")

SOUND = """
insert into raw.projects (id, key, issue_total) values ('1', 'ABC', 2), ('2', 'DEF', 1);
insert into raw.issues (id, key, project_id, change_total) values
    ('10', 'ABC-1', '1', 2), ('11', 'ABC-2', '1', 0), ('20', 'DEF-1', '2', 0);
insert into raw.issues (id, key, project_id, change_total, deleted_at) values ('12', 'ABC-3', '1', 9, now());
insert into raw.changes (id, issue_id) values ('100', '10'), ('101', '10');
insert into raw.comments (id, issue_id) values ('200', '10');
insert into raw.worklogs (id, issue_id) values ('300', '20');
insert into raw.links (id, source_issue_id, target_issue_id) values ('400', '10', 'not seen');
insert into raw.fields (id, name, role, schema_type, schema_custom) values
    ('customfield_1', 'Sprint', 'sprint', 'array', 'com.pyxis.greenhopper.jira:gh-sprint'),
    ('customfield_2', 'Story Points', 'story_points', 'number', 'float'),
    ('customfield_3', 'Epic Link', 'epic_link', 'any', 'com.pyxis.greenhopper.jira:gh-epic-link'),
    ('summary', 'Summary', null, 'string', null);
insert into raw.boards (id, name, estimation_field_id) values ('5', 'Team', 'customfield_2'), ('6', 'Kanban', null);
insert into raw.syncs (sync_id, source, mode, status, started_at, watermark_to) values
    ('s1', 'jira', 'live', 'done', now(), now());
insert into raw.census
    (sync_id, taken_at, entity, scope_id, scope_name, at_source, held, missing, deleted, unreachable) values
    ('s1', now(), 'issues', '1', 'ABC', 2, 2, 1, 1, 0), ('s1', now(), 'issues', '2', 'DEF', 1, 1, 0, 0, 0);
"""

#: (check, table, what breaks, statement, severity)
CORRUPTIONS = [
    *(
        ("unique_ids", check.table, "a row written twice", "insert into raw.{table} (id) values ('x'), ('x')", "ERROR")
        for check in source_checks(JIRA)
        if check.name == "unique_ids"
    ),
    ("load_finished", "issues", "killed while it wrote", "update raw.syncs set status = 'loading'", "ERROR"),
    (
        "load_finished",
        "issues",
        "a stream ended early",
        "update raw.syncs set status = 'incomplete', error = 'The walk ended early'",
        "WARN",
    ),
    (
        "freshness",
        "issues",
        "nothing pulled for four days",
        "update raw.syncs set started_at = now() - interval 96 hours",
        "ERROR",
    ),
    ("census_agreement", "issues", "one id not stored", "update raw.census set held = 1 where scope_id = '1'", "WARN"),
    ("census_agreement", "issues", "many not stored", "update raw.census set at_source = 900", "ERROR"),
    ("completeness", "issues", "one issue lost", "delete from raw.issues where id = '11'", "WARN"),
    ("completeness", "issues", "many issues lost", "update raw.projects set issue_total = 500 where id = '1'", "ERROR"),
    ("completeness", "issues", "issues not noticed as deleted", "update raw.projects set issue_total = 0", "WARN"),
    ("changelog_totals", "changes", "a change lost", "delete from raw.changes where id = '101'", "ERROR"),
    ("changelog_totals", "changes", "counted before a change", "update raw.issues set change_total = 1", "ERROR"),
    (
        "changelog_totals",
        "changes",
        "a change since the count",
        "insert into raw.changes (id, issue_id) values ('102', '11')",
        "WARN",
    ),
    ("no_orphans", "changes", "no issue", "update raw.changes set issue_id = null where id = '100'", "ERROR"),
    ("no_orphans", "comments", "no issue", "update raw.comments set issue_id = '99'", "ERROR"),
    ("no_orphans", "worklogs", "no issue", "delete from raw.issues where id = '20'", "ERROR"),
    ("no_orphans", "links", "neither end", "update raw.links set source_issue_id = 'unseen'", "ERROR"),
    ("field_types", "fields", "points as text", "update raw.fields set schema_type = 'string'", "ERROR"),
    ("field_types", "fields", "another sprint", "update raw.fields set schema_custom = 'labels'", "ERROR"),
    ("field_types", "fields", "a new role", "update raw.fields set role = 'mood' where id = 'summary'", "ERROR"),
    (
        "field_types",
        "fields",
        "estimation field removed",
        "update raw.fields set deleted_at = now() where id = 'customfield_2'",
        "ERROR",
    ),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a small, sound raw file of Jira."""
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path))
    monkeypatch.delenv("JIRA_PROJECTS", raising=False)
    return support.home_with(jira=SOUND)


def run_checks(instance: dg.DagsterInstance) -> tuple[bool, dict[tuple[str, str], dg.AssetCheckEvaluation]]:
    """Run all checks as Dagster does: whether the run succeeded, and the evaluations by table and name."""
    job = dg.Definitions(
        asset_checks=[build_source_checks(JIRA)],
        jobs=[dg.define_asset_job("check", dg.AssetSelection.all_asset_checks())],
    ).resolve_job_def("check")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    return result.success, {(e.asset_key.path[-1], e.check_name): e for e in result.get_asset_check_evaluations()}


def test_sound_data_passes_every_check(home: Home, light_instance: dg.DagsterInstance) -> None:
    succeeded, found = run_checks(light_instance)
    assert succeeded
    assert len(found) == len(source_checks(JIRA))
    assert {key: e.description for key, e in found.items() if not e.passed} == {}


@pytest.mark.parametrize(
    ("name", "table", "what", "statement", "severity"), CORRUPTIONS, ids=[f"{c[1]}-{c[0]}-{c[2]}" for c in CORRUPTIONS]
)
def test_corrupted_data_fails(home: Home, name: str, table: str, what: str, statement: str, severity: str) -> None:
    with home.write_raw("jira") as connection:
        connection.execute(statement.format(table=table))
    found = evaluate(home, name, table)
    assert not found.passed, f"{what}: {found.text}"
    assert ("ERROR" if found.serious else "WARN") == severity
    assert found.numbers


def test_a_blocking_check_fails_the_run_after_all_are_answered(home: Home, light_instance: dg.DagsterInstance) -> None:
    with home.write_raw("jira") as connection:
        connection.execute("insert into raw.users (id) values ('x'), ('x')")
    succeeded, found = run_checks(light_instance)
    assert not succeeded
    assert len(found) == len(source_checks(JIRA))
    assert [key for key, e in found.items() if not e.passed] == [("users", "unique_ids")]


def test_every_check_is_seen_to_fail() -> None:
    assert {(c[0], c[1]) for c in CORRUPTIONS} == {(check.name, check.table) for check in source_checks(JIRA)}


def test_a_source_that_was_never_pulled_passes(
    light_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, found = run_checks(light_instance)
    assert all(e.passed for e in found.values())
    assert "JIRA_API_TOKEN" in str(found["issues", "completeness"].description)


def test_completeness_counts_only_the_projects_that_are_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the settings name are the ones in sight, also where a key has changed since."""
    with home.write_raw("jira") as connection:
        connection.execute("update raw.projects set issue_total = 500, unreachable_since = now() where key = 'DEF'")
    monkeypatch.setenv("JIRA_PROJECTS", "OLD")
    assert evaluate(home, "completeness", "issues").passed
