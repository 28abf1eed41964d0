"""Each check of Tempo passes on sound data, and is seen to fail on data corrupted in the way that it guards against."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.tempo import CHECKS
from impulsum_pipelines_tests.checks import support

evaluate = partial(support.evaluate, "tempo")

SOUND = """
insert into raw.teams (id, name) values ('1', 'Team');
insert into raw.team_members (id, team_id, member_id) values ('5', '1', 'a'), ('6', '1', 'b');
insert into raw.accounts (id, key, status) values ('7', 'DEV', 'OPEN'), ('8', 'OLD', 'CLOSED');
insert into raw.worklogs
    (id, issue_id, author_id, start_date, work_month, time_spent_seconds, account_key, created_at) values
    ('100', '10', 'a', '2026-10-01', '2026-10', 3600, 'DEV', '2026-10-01T18:00:00Z'),
    ('101', '10', 'b', '2026-10-02', '2026-10', 7200, 'DEV', '2026-10-02T18:00:00Z'),
    ('102', '20', 'b', '2026-09-30', '2026-09', 7200, 'OLD', '2026-10-02T18:00:00Z'),
    ('103', '20', 'a', '2026-11-02', '2026-11', 1800, null, '2026-11-02T18:00:00Z');
insert into raw.worklogs (id, issue_id, author_id, start_date, work_month, time_spent_seconds, created_at, deleted_at)
    values ('104', '10', 'a', '2026-10-01', '2026-10', 90000, '2026-10-01T18:00:00Z', '2026-10-30T00:00:00Z');
insert into raw.census
    (sync_id, taken_at, entity, scope_id, scope_name, at_source, held, missing, deleted, unreachable) values
    ('s1', '2026-11-01T02:00:00Z', 'worklogs', '2026-09', '2026-09', 1, 1, 0, 0, 0),
    ('s1', '2026-11-01T02:00:00Z', 'worklogs', '2026-10', '2026-10', 2, 2, 0, 1, 0);
"""
JIRA = """
insert into raw.issues (id, key) values ('10', 'ABC-1'), ('20', 'ABC-2');
insert into raw.worklogs (id, issue_id, time_spent_seconds) values
    ('900', '10', 10800), ('901', '20', 4500), ('902', '20', 4500);
insert into raw.worklogs (id, issue_id, time_spent_seconds, deleted_at) values ('903', '20', 99999, now());
"""

#: (check, table, what breaks, source, statement, severity, what its text says)
CORRUPTIONS = [
    ("completeness", "worklogs", "one lost", "tempo", "delete from raw.worklogs where id = '101'", "WARN", "2"),
    (
        "completeness",
        "worklogs",
        "many lost",
        "tempo",
        "update raw.census set at_source = 90 where scope_id = '2026-10'",
        "ERROR",
        "91",
    ),
    (
        "completeness",
        "worklogs",
        "a deletion not noticed",
        "tempo",
        "update raw.worklogs set deleted_at = null where id = '104'",
        "WARN",
        "4",
    ),
    (
        "sees_everybody",
        "worklogs",
        "only one author",
        "tempo",
        "update raw.worklogs set author_id = 'a'",
        "WARN",
        "one person",
    ),
    (
        "sees_everybody",
        "worklogs",
        "one is no longer visible",
        "tempo",
        "insert into raw.worklogs (id, author_id, unreachable_since) values ('105', 'c', now())",
        "WARN",
        "1 people",
    ),
    (
        "plausible_days",
        "worklogs",
        "hours twice",
        "tempo",
        "update raw.worklogs set time_spent_seconds = 86401 where id = '100'",
        "WARN",
        "24 hours",
    ),
    (
        "hours_agree_with_jira",
        "worklogs",
        "hours in Tempo alone",
        "tempo",
        "insert into raw.worklogs (id, issue_id, time_spent_seconds) values ('106', '10', 3600)",
        "WARN",
        "Tempo has 6.5 h and Jira 5.5 h",
    ),
    (
        "hours_agree_with_jira",
        "worklogs",
        "hours in Jira alone",
        "jira",
        "update raw.worklogs set time_spent_seconds = 14400 where id = '900'",
        "WARN",
        "1 of 2 issues differ",
    ),
    (
        "hours_on_issues",
        "worklogs",
        "an issue that Jira hides",
        "jira",
        "delete from raw.issues where id = '20'",
        "WARN",
        "2.5 hours are on 1 issues",
    ),
    (
        "hours_on_accounts",
        "worklogs",
        "an account not stored",
        "tempo",
        "delete from raw.accounts where key = 'OLD'",
        "WARN",
        "1 accounts",
    ),
    (
        "no_orphans",
        "team_members",
        "no team",
        "tempo",
        "update raw.team_members set team_id = '9' where id = '5'",
        "ERROR",
        "1 memberships",
    ),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with small, sound raw files of Tempo and Jira."""
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path))
    return support.home_with(tempo=SOUND, jira=JIRA)


def test_sound_data_passes_every_check(home: Home) -> None:
    found = {check.name: evaluate(home, check.name, check.table) for check in CHECKS}
    assert {name: finding.text for name, finding in found.items() if not finding.passed} == {}
    assert found["hours_agree_with_jira"].numbers["hours in Tempo"] == 5.5


@pytest.mark.parametrize(
    ("name", "table", "what", "source", "statement", "severity", "says"),
    CORRUPTIONS,
    ids=[f"{c[1]}-{c[0]}-{c[2]}" for c in CORRUPTIONS],
)
def test_corrupted_data_fails(
    home: Home, name: str, table: str, what: str, source: str, statement: str, severity: str, says: str
) -> None:
    with home.write_raw(source) as connection:
        connection.execute(statement)
    found = evaluate(home, name, table)
    assert not found.passed, f"{what}: {found.text}"
    assert ("ERROR" if found.serious else "WARN") == severity
    assert says in found.text
    assert found.numbers


def test_every_check_is_seen_to_fail() -> None:
    assert {(c[0], c[1]) for c in CORRUPTIONS} == {(check.name, check.table) for check in CHECKS}


def test_hours_of_both_are_shown_with_their_difference(home: Home) -> None:
    with home.write_raw("tempo") as connection:
        connection.execute("update raw.worklogs set time_spent_seconds = 0 where issue_id = '20'")
    found = evaluate(home, "hours_agree_with_jira", "worklogs")
    numbers = [found.numbers[name] for name in ("hours in Tempo", "hours in Jira", "difference (hours)")]
    assert numbers == [3.0, 5.5, -2.5]
    assert "do not add them" in found.text


def test_without_jira_there_is_nothing_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path))
    home = support.home_with(tempo=SOUND)
    for name in ("hours_agree_with_jira", "hours_on_issues"):
        assert evaluate(home, name, "worklogs").passed
