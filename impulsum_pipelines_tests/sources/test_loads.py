"""Each source all the way through dlt, beside the quick load of the other tests: the same rows, counts and state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.quick_load import load_quickly
from impulsum_pipelines_tests.sources.notion.support import everything
from impulsum_pipelines_tests.sources.pulls import Pulls

pytestmark = pytest.mark.full_load


@pytest.mark.parametrize("source", [source.name for source in SOURCES])
def test_dlt_loads_the_same_as_the_quick_load(
    source: str, sandbox: SandboxFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = sandbox(issues=8)
    site.control("clock", freeze=True)
    site.control("notion/limit", per_minute=1_000_000)
    monkeypatch.setattr(Budget, "take", lambda self, kind: 0.0)
    ends = []
    for load in ("dlt", "quick"):
        if load == "quick":
            load_quickly(monkeypatch)
        monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / load))
        ends.append(_first_and_second_pull(source))
    through_dlt, quickly = ends
    assert through_dlt == quickly
    rows, counts = through_dlt
    assert all(rows[table] for table in _always_filled(source))
    assert sum(count.new for count in counts.values()) and sum(count.changed for count in counts.values())


def _first_and_second_pull(source: str) -> tuple[Any, Any]:
    """Pull, damage what is stored, and pull again; returns every row, and how many rows the second pull wrote."""
    pulls = Pulls(source)
    pulls.sync()
    with Home.of(load_settings()).write_raw(source) as raw:
        raw.execute("delete from raw.state")  # the next pull reads everything again, onto the stored rows
        for table in tables(source):
            raw.execute(f"delete from raw.{table.name} where hash(id) % 3 = 0")
            raw.execute(f"update raw.{table.name} set payload = '{{}}', row_hash = '' where hash(id) % 3 = 1")
    counts = pulls.sync().rows
    return everything() if source == "notion" else pulls.everything(), counts


def _always_filled(source: str) -> list[str]:
    """The tables whose rows belong to days: what the source is there for."""
    return [table.name for table in tables(source) if table.partitioned]
