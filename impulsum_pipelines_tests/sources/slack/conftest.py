"""A workspace and a client with more requests per minute than Slack allows: a month passes in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.slack import client
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.slack.support import FACTOR

NOW = "2026-11-01T12:00:00Z"


@pytest.fixture
def workspace(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Running]:
    """Starts a sandbox whose Slack allows :data:`FACTOR` times as much; the arguments are those of ``sandbox``."""

    def start(**options: Any) -> Running:
        monkeypatch.setattr(client, "RATES", {method: calls * FACTOR for method, calls in client.RATES.items()})
        site = sandbox(**{"issues": 60, "now": NOW} | options)
        site.control("slack/limits", factor=FACTOR)
        site.requests(reset=True)
        return site

    return start
