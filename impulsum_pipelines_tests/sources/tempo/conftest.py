"""Fixtures of Tempo's tests."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sandbox.tempo import limits
from impulsum_pipelines.sources.base.limits import Rate
from impulsum_pipelines.sources.tempo import client
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.sites import FirstPulls, Start
from impulsum_pipelines_tests.sources.tempo.support import NOW, door, sync

#: By how much Tempo's limit is raised on both sides, which still count.
FACTOR = 40


@pytest.fixture
def high_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Tempo that allows, and a client that sends, more requests per second, so that a month passes in seconds."""
    monkeypatch.setattr(limits, "PER_SECOND", limits.PER_SECOND * FACTOR)
    monkeypatch.setattr(client, "RATE", Rate(client.RATE.limit * FACTOR, client.RATE.interval))


@pytest.fixture
def pulled(sandbox: SandboxFactory, first_pulls: FirstPulls) -> Start:
    """Starts a sandbox, and pulls its Tempo once."""

    def start(issues: int = 20) -> Running:
        site = sandbox(seed=1, issues=issues, now=NOW)
        door(site)("limits")  # makes the history, before the clock moves
        first_pulls.pull(site, sync, ("tempo", issues))
        site.requests(reset=True)
        return site

    return start
