"""One warehouse of the firm with risks, for the tests of the group ``risk``, which one worker runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines_tests.marts.world import write_raw
from impulsum_pipelines_tests.risk.world import ZONE, risky
from impulsum_pipelines_tests.velocity.warehouse import build, query


@pytest.fixture(scope="session")
def risks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The rows of risk.signals by id, after one build of it with what it reads and their tests."""
    home: Path = tmp_path_factory.mktemp("risks")
    write_raw(home, risky(), {})
    build(home, "build", "--select", "+fqn:impulsum.marts.risk", **ZONE)
    return {row["signal_id"]: row for row in query(home, "select * from risk.signals")}
