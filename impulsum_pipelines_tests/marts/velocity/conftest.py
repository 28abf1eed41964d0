"""One warehouse of all stories and histories, for the tests of the group ``velocity``, which one worker runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines_tests.marts.velocity.generate import SEEDS, world
from impulsum_pipelines_tests.marts.velocity.stories import STORIES
from impulsum_pipelines_tests.marts.velocity.warehouse import MODELS, OF_JIRA, Dbt, query
from impulsum_pipelines_tests.marts.velocity.world import World, raw_rows, together, write_raw

#: What the shared warehouse is built with, and so every later run on a copy of it.
ZONE = {"IMPULSUM_TIMEZONE": "Europe/Berlin", "IMPULSUM_BUSINESS_HOURS": "9-17"}

Make = Callable[[Path], None]


@pytest.fixture(scope="session")
def everything() -> World:
    """The site that the shared warehouse is built from."""
    return together([*(story.world for story, _ in STORIES.values()), *(world(seed) for seed in SEEDS)])


@pytest.fixture(scope="session")
def built(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory, everything: World) -> Path:
    """A home after one build: models and data tests. Not to be written to."""
    home = tmp_path_factory.mktemp("built")
    write_raw(home / "raw" / "jira.duckdb", raw_rows(everything))
    dbt.build(home, *MODELS, *OF_JIRA, **ZONE)
    return home


@pytest.fixture(scope="session")
def velocity(built: Path) -> dict[str, dict[str, Any]]:
    """The rows of velocity.sprint_velocity by sprint."""
    return {row["sprint_id"]: row for row in query(built, "select * from velocity.sprint_velocity")}


@pytest.fixture(scope="session")
def copy_of_built(built: Path) -> Make:
    """``copy_of_built(home)`` fills a home with what was built, dbt's parsed project included, to be changed."""

    def copy(home: Path) -> None:
        shutil.copytree(built, home, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("logs"))

    return copy
