"""Each check of Fireflies passes on sound data, and is seen to fail on data corrupted in the way that it guards."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.fireflies import CHECKS
from impulsum_pipelines.loading.raw import ensure_tables
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.checks import support

evaluate = partial(support.evaluate, "fireflies")

SOUND = """
insert into raw.transcripts (id, title, started_at, is_live, summary_status, is_whole, sentence_total) values
    ('m1', 'Planning', now() - interval 9 days, false, 'processed', true, 2),
    ('m2', 'Silence', now() - interval 8 days, false, 'skipped', true, 0),
    ('m3', 'Going on', now(), true, 'processing', false, null);
insert into raw.transcripts (id, title, is_whole, sentence_total, deleted_at) values ('m4', 'Gone', true, 7, now());
insert into raw.sentences (id, transcript_id, index) values ('m1:0', 'm1', 0), ('m1:1', 'm1', 1);
insert into raw.attendees (id, transcript_id) values ('m1:a@example.com', 'm1');
insert into raw.action_items (id, transcript_id, number) values ('m1:0', 'm1', 0);
insert into raw.census
    (sync_id, taken_at, entity, scope_id, scope_name, at_source, held, missing, deleted, unreachable, approximate)
    values
    ('s0', now() - interval 5 days, 'transcripts', 'here', 'all meetings', 900, 1, 0, 0, 0, 900),
    ('s1', now(), 'transcripts', 'here', 'all meetings', 3, 3, 0, 0, 0, 3);
"""

#: (check, table, what breaks, statement, severity)
CORRUPTIONS = [
    (
        "completeness",
        "transcripts",
        "meetings lost",
        "update raw.census set at_source = 40 where sync_id = 's1'",
        "ERROR",
    ),
    (
        "completeness",
        "transcripts",
        "a cut list",
        "update raw.census set approximate = 90 where sync_id = 's1'",
        "WARN",
    ),
    ("whole", "transcripts", "not read", "update raw.transcripts set is_whole = false where id = 'm1'", "WARN"),
    (
        "whole",
        "transcripts",
        "stuck",
        "update raw.transcripts set started_at = now() - interval 3 days where id = 'm3'",
        "WARN",
    ),
    ("sentence_totals", "sentences", "one lost at the end", "delete from raw.sentences where id = 'm1:1'", "ERROR"),
    ("sentence_totals", "sentences", "a gap", "update raw.sentences set index = 5 where id = 'm1:1'", "ERROR"),
    ("sentence_totals", "sentences", "all lost", "delete from raw.sentences", "ERROR"),
    (
        "unfinished_apart",
        "sentences",
        "captions",
        "insert into raw.sentences (id, transcript_id, index) values ('m3:0', 'm3', 0)",
        "ERROR",
    ),
    ("no_orphans", "sentences", "no meeting", "update raw.sentences set transcript_id = null", "ERROR"),
    ("no_orphans", "sentences", "of one that is gone", "update raw.sentences set transcript_id = 'm4'", "ERROR"),
    ("no_orphans", "attendees", "no meeting", "update raw.attendees set transcript_id = 'unseen'", "ERROR"),
    ("no_orphans", "action_items", "no meeting", "update raw.action_items set transcript_id = 'unseen'", "ERROR"),
]


@pytest.fixture
def home() -> Home:
    """A home with a small, sound raw file of Fireflies."""
    return support.home_with(fireflies=SOUND)


def test_sound_data_passes_every_check(home: Home) -> None:
    found = {(check.table, check.name): evaluate(home, check.name, check.table) for check in CHECKS}
    assert {key: finding.text for key, finding in found.items() if not finding.passed} == {}


@pytest.mark.parametrize(
    ("name", "table", "what", "statement", "severity"), CORRUPTIONS, ids=[f"{c[1]}-{c[0]}-{c[2]}" for c in CORRUPTIONS]
)
def test_corrupted_data_fails(home: Home, name: str, table: str, what: str, statement: str, severity: str) -> None:
    with home.write_raw("fireflies") as connection:
        connection.execute(statement)
    found = evaluate(home, name, table)
    assert not found.passed, f"{what}: {found.text}"
    assert ("ERROR" if found.serious else "WARN") == severity
    assert found.numbers


def test_every_check_is_seen_to_fail() -> None:
    assert {(c[0], c[1]) for c in CORRUPTIONS} == {(check.name, check.table) for check in CHECKS}


def test_an_empty_file_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "empty"))
    home = Home.of(load_settings())
    ensure_tables(home, "fireflies")
    assert all(evaluate(home, check.name, check.table).passed for check in CHECKS)
