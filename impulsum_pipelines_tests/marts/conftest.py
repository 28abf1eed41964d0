"""The warehouse of a small firm, built and published by ``impulsum build`` once per test run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from impulsum_pipelines_tests.marts.world import CENSUSES, PEOPLE_CSV, firm, notion_id, write_raw

#: ``impulsum build``.
BUILD = (sys.executable, "-c", "from impulsum_pipelines.cli import main; main()", "build")

Query = Callable[[str], list[tuple[Any, ...]]]


def build(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run ``impulsum build`` on a home; the caller checks its exit code."""
    return subprocess.run(
        BUILD,
        env=os.environ | {"IMPULSUM_HOME": str(home)} | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published file of the small firm."""
    home = tmp_path_factory.mktemp("firm")
    write_raw(home, firm(), CENSUSES)
    (home / "people.csv").write_text(PEOPLE_CSV)
    done = build(
        home,
        IMPULSUM_TIMEZONE="Europe/Berlin",
        IMPULSUM_BUSINESS_HOURS="9-17",
        NOTION_RESTRICTED=f"https://notes.test/Root-{notion_id('2').replace('-', '')}?v=1",
    )
    assert (home / "impulsum.duckdb").exists(), done.stdout + done.stderr
    return home / "impulsum.duckdb"


@pytest.fixture(scope="session")
def rows(published: Path) -> Query:
    """A function ``rows(sql)``: the rows of a query over the published file, times in UTC."""

    def query(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(published, read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    return query
