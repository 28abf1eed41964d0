"""A workspace and a client with more requests per minute than Slack allows: a month passes in seconds."""

from __future__ import annotations

from typing import Any

import pytest

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.slack import client
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.sites import FirstPulls, Start
from impulsum_pipelines_tests.sources.slack.support import FACTOR, sync

NOW = "2026-11-01T12:00:00Z"


@pytest.fixture
def workspace(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a sandbox whose Slack allows :data:`FACTOR` times as much; the arguments are those of ``sandbox``."""

    def start(**options: Any) -> Running:
        monkeypatch.setattr(client, "RATES", {method: calls * FACTOR for method, calls in client.RATES.items()})
        site = sandbox(**{"issues": 8, "now": NOW} | options)
        site.control("slack/limits", factor=FACTOR)
        site.requests(reset=True)
        return site

    return start


@pytest.fixture
def pulled(workspace: Start, first_pulls: FirstPulls) -> Start:
    """Starts a workspace, and pulls it once."""

    def start() -> Running:
        site = workspace(seed=1)
        first_pulls.pull(site, sync, "slack")
        site.requests(reset=True)
        return site

    return start
