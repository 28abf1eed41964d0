"""Warehouses for the tests of the models, each built once a run however many workers share it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

Make = Callable[[Path], None]


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str, Make], Path]:
    """``shared_home(name, make)``: a home folder that ``make`` filled, by whichever worker came first."""
    base = tmp_path_factory.getbasetemp()
    root = base if worker_id == "master" else base.parent

    def get(name: str, make: Make) -> Path:
        home = root / name
        with FileLock(root / f"{name}.lock"):
            if not (home / "made").exists():
                home.mkdir(exist_ok=True)
                make(home)
                (home / "made").touch()
        return home

    return get
