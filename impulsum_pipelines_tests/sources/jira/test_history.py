"""Days of random edits, pulled as they happen, give the same rows as one pull at the end."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.jira.support import everything, held, one, sync


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.exhaustive)])
def test_pulled_live_through_random_days_equals_pulled_once(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    site = sandbox(seed=50 + seed, issues=30, now="2026-11-01T08:00:00Z")
    chance = random.Random(seed)
    sync()
    for _ in range(4):
        keys = [key for (key,) in held("select key from raw.issues where deleted_at is null and not is_subtask")]
        for key in chance.sample(keys, 5):
            edit(site, chance, key)
        site.control("clock", advance_seconds=chance.choice((600, 3_600, 30_000)))
        sync()
    gone = chance.choice(keys)
    site.control("delete_issue", issue=gone)
    site.control("clock", advance_seconds=600)
    site.control("clock", freeze=True)
    sync(census=True)
    assert one("select deleted_at is not null from raw.issues where key = ?", gone)
    live = everything()
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "once"))
    sync()
    once = everything()
    for table, rows in once.items():
        missing = set(rows) - set(live[table])
        assert not missing, f"{table}: {list(missing)[:2]}"
    assert len({row[0] for row in live["issues"]} - {row[0] for row in once["issues"]}) == 1  # the deleted one


def edit(site: Running, chance: random.Random, key: str) -> None:
    """One of the things that people do to an issue."""
    match chance.randrange(7):
        case 0:
            site.control("edit_issue", issue=key, summary=f"edited {chance.random()}")
        case 1:
            site.control("add_comment", issue=key)
        case 2:
            site.control("add_worklog", issue=key, seconds=chance.randrange(60, 9_000))
        case 3:
            site.control("estimate", issue=key, value=chance.choice((1, 2, 3, 5, 8, None)))
        case 4:
            site.control("add_histories", issue=key, count=chance.choice((2, 45)))
        case 5:
            site.control("set_sprint", issue=key, sprint=None)
        case _:
            site.control("transition", issue=key, status=chance.choice(("To Do", "In Progress", "Done")))
