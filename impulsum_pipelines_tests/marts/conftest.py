"""dbt, and the warehouse of a small firm, built and published once per test run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from impulsum_pipelines.marts.people import copy_mapping
from impulsum_pipelines.publishing.publish import publish
from impulsum_pipelines.settings import Settings
from impulsum_pipelines_tests.marts.velocity.warehouse import Dbt
from impulsum_pipelines_tests.marts.world import CENSUSES, PEOPLE_CSV, firm, notion_id, write_raw

Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def dbt() -> Iterator[Dbt]:
    """dbt's process."""
    with Dbt() as running:
        yield running


@pytest.fixture(scope="session")
def published(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published file of the small firm. The whole project is built, with data tests and unit tests."""
    home = tmp_path_factory.mktemp("firm")
    settings = Settings(impulsum_home=home)
    write_raw(home, firm(), CENSUSES)
    (home / "people.csv").write_text(PEOPLE_CSV)
    copy_mapping(settings, home / "raw")
    dbt.build(
        home,
        "build",
        IMPULSUM_TIMEZONE="Europe/Berlin",
        IMPULSUM_BUSINESS_HOURS="9-17",
        NOTION_RESTRICTED=f"https://notes.test/Root-{notion_id('2').replace('-', '')}?v=1",
    )
    return publish(settings).path


@pytest.fixture(scope="session")
def rows(published: Path) -> Query:
    """A function ``rows(sql)``: the rows of a query over the published file, times in UTC."""

    def query(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(published, read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    return query
