"""Fixtures of Notion's tests."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sandbox.notion import history
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.notion.support import NOW, later, sync
from impulsum_pipelines_tests.sources.sites import FirstPulls, Start

#: Pages of each kind in a small workspace: enough for every trap, and few enough to pull often.
_SMALL = {"SPECS": 2, "DECISIONS": 2, "RETROS": 1, "RUNBOOKS": 2}


@pytest.fixture
def workspace(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a sandbox with a frozen clock and a workspace that by default is small and has no request limit."""

    def start(seed: int = 1, *, issues: int = 8, now: str = NOW, small: bool = True, limited: bool = False) -> Running:
        site = sandbox(seed=seed, issues=issues, now=now)
        site.control("clock", freeze=True)
        for name, count in _SMALL.items() if small else ():
            monkeypatch.setattr(history, name, count)
        if not limited:
            monkeypatch.setattr(Budget, "take", lambda self, kind: 0.0)
            site.control("notion/limit", per_minute=1_000_000)
        return site

    return start


@pytest.fixture
def pulled(workspace: Start, first_pulls: FirstPulls) -> Start:
    """Starts a workspace, and pulls it an hour before."""

    def start() -> Running:
        site = workspace(seed=2)
        first_pulls.pull(site, sync, "notion")
        later(site)
        site.requests(reset=True)
        return site

    return start
