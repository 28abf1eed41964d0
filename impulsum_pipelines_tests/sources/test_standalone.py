"""Each source as a plain dlt source: the rows of a normal sync, into any destination, from an empty folder."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.places import ROOT


def plain(source: str, **options: Any) -> Any:
    """What a dlt user imports: ``from impulsum_pipelines.sources.jira import jira``."""
    return getattr(import_module(f"impulsum_pipelines.sources.{source}"), source)(**options)


def pipeline(name: str, folder: Path, destination: Any) -> dlt.Pipeline:
    """A pipeline of the user's own."""
    return dlt.pipeline(name, destination=destination, dataset_name="raw", pipelines_dir=str(folder / "pipelines"))


def rows(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, list[tuple[Any, ...]]]:
    """Ids and hashes of each table; a table that dlt had no row for does not exist."""
    existing = {
        name
        for (name,) in connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
    }
    return {
        table.name: connection.execute(
            f"select id, row_hash from raw.{table.name} where {ALIVE} order by all"
        ).fetchall()
        if table.name in existing
        else []
        for table in tables(source)
    }


@pytest.fixture
def site(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> Running:
    """All six tools of a small team, whose limits let the same be read several times within a minute."""
    started = sandbox(seed=3, issues=12)
    started.control("notion/limit", per_minute=10_000)
    monkeypatch.setattr(Budget, "take", lambda *_: 0.0)
    return started


@pytest.mark.parametrize(
    ("source", "runs"),
    [
        *((source.name, 1) for source in SOURCES if source.name != "jira"),
        ("jira", 2),
        *(pytest.param(s.name, 2, marks=pytest.mark.exhaustive) for s in SOURCES if s.name != "jira"),
    ],
)
def test_a_plain_run_loads_the_rows_of_a_sync_and_a_second_none_twice(
    source: str, runs: int, site: Running, tmp_path: Path
) -> None:
    site.control("clock", freeze=True)
    file = tmp_path / "mine.duckdb"
    own = pipeline(source, tmp_path, dlt.destinations.duckdb(str(file)))
    for _ in range(runs):
        own.run(plain(source))
    settings = load_settings()
    run_load(source, settings)
    with duckdb.connect(file, read_only=True) as mine, Home.of(settings).read_raw(source) as normal:
        loaded = rows(mine, source)
        assert loaded == rows(normal, source)
    assert any(loaded.values())


def test_the_example_of_the_docs_runs(site: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "dlt.md").read_text(), flags=re.DOTALL)
    exec(example, {})  # noqa: S102
    assert (tmp_path / "jira.duckdb").exists()


def test_parquet_files_are_a_destination_too(site: Running, tmp_path: Path) -> None:
    own = pipeline("tempo", tmp_path, dlt.destinations.filesystem(str(tmp_path / "lake")))
    own.run(plain("tempo"), loader_file_format="parquet")
    run_load("tempo", load_settings())
    with duckdb.connect() as connection, Home.of(load_settings()).read_raw("tempo") as normal:
        found = connection.execute(
            "select id, row_hash from read_parquet(?) order by all", [f"{tmp_path}/lake/raw/worklogs/*.parquet"]
        ).fetchall()
        assert found == rows(normal, "tempo")["worklogs"]


def test_since_leaves_out_what_changed_earlier(site: Running, tmp_path: Path) -> None:
    since = datetime(2026, 10, 1, tzinfo=UTC)
    file = tmp_path / "mine.duckdb"
    pipeline("jira", tmp_path, dlt.destinations.duckdb(str(file))).run(plain("jira", since=since))
    with duckdb.connect(file, read_only=True) as mine:
        [(first, count)] = mine.execute("select min(updated_at), count(*) from raw.issues").fetchall()
    assert first >= since and 0 < count < 12


def test_a_source_without_its_token_says_what_to_set() -> None:
    with pytest.raises(ImpulsumError, match="NOTION_TOKEN is not set"):
        plain("notion")


def test_a_stream_that_ends_early_loads_nothing_silently(site: Running, tmp_path: Path) -> None:
    file = tmp_path / "mine.duckdb"
    own = pipeline("slack", tmp_path, dlt.destinations.duckdb(str(file)))
    made = plain("slack")
    site.control("fault", kind="status", status=503, path="conversations.history", count=1000, retry_after=7200)
    with pytest.raises(Exception, match="Slack"):
        own.run(made)
    if file.exists():  # dlt may have opened it to look for its state
        with duckdb.connect(file, read_only=True) as mine:
            assert not any(rows(mine, "slack").values())
