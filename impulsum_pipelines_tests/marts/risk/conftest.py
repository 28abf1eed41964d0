"""One warehouse of the firm with risks, for tests of the group ``velocity``, which one worker runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines_tests.marts.risk.world import ZONE, risky
from impulsum_pipelines_tests.marts.velocity.warehouse import MODELS, Dbt, query
from impulsum_pipelines_tests.marts.world import write_raw


@pytest.fixture(scope="session")
def risky_home(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after one build of risk.signals and the portfolio, with what they read and their tests."""
    home: Path = tmp_path_factory.mktemp("risks")
    write_raw(home, risky(), {})
    dbt.build(home, *MODELS, "--select", "+portfolio", **ZONE)
    return home


@pytest.fixture(scope="session")
def risks(risky_home: Path) -> dict[str, dict[str, Any]]:
    """The rows of risk.signals by id."""
    return {row["signal_id"]: row for row in query(risky_home, "select * from risk.signals")}
