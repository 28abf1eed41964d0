"""One warehouse of all stories and histories, built once a run however many workers share it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from impulsum_pipelines_tests.velocity.generate import SEEDS, world
from impulsum_pipelines_tests.velocity.stories import STORIES
from impulsum_pipelines_tests.velocity.warehouse import build, query
from impulsum_pipelines_tests.velocity.world import World, raw_rows, together, write_raw

#: What the shared warehouse is built with, and so every later run on a copy of it.
ZONE = {"IMPULSUM_TIMEZONE": "Europe/Berlin", "IMPULSUM_BUSINESS_HOURS": "9-17"}

Make = Callable[[Path], None]
Shared = Callable[[str, Make], Path]


@pytest.fixture(scope="session")
def everything() -> World:
    """The site that the shared warehouse is built from."""
    return together([*(story.world for story, _ in STORIES.values()), *(world(seed) for seed in SEEDS)])


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Shared:
    """``shared(name, make)``: a home folder that ``make`` filled, by whichever worker came first."""
    base = tmp_path_factory.getbasetemp()
    root = base if worker_id == "master" else base.parent

    def get(name: str, make: Make) -> Path:
        home = root / name
        with FileLock(root / f"{name}.lock"):
            if not (home / "made").exists():
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir()
                make(home)
                (home / "made").touch()
        return home

    return get


@pytest.fixture(scope="session")
def built(shared: Shared, everything: World) -> Path:
    """The shared home after one whole build: models, data tests and unit tests. Not to be written to."""

    def make(home: Path) -> None:
        write_raw(home / "raw" / "jira.duckdb", raw_rows(everything))
        build(home, "build", **ZONE)

    return shared("built", make)


@pytest.fixture(scope="session")
def velocity(built: Path) -> dict[str, dict[str, Any]]:
    """The rows of velocity.sprint_velocity by sprint."""
    return {row["sprint_id"]: row for row in query(built, "select * from velocity.sprint_velocity")}


@pytest.fixture(scope="session")
def copy_of_built(built: Path) -> Make:
    """``copy_of_built(home)`` fills a home with what was built, dbt's parsed project included, to be changed."""

    def copy(home: Path) -> None:
        shutil.copytree(built, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("made", "logs"))

    return copy
