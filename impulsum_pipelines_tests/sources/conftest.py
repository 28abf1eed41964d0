"""Fixtures of every source's tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.base import http
from impulsum_pipelines_tests.quick_load import load_quickly
from impulsum_pipelines_tests.sources.live import Live, pull_as_time_passes


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait milliseconds between attempts; a Retry-After of the source is still obeyed."""
    monkeypatch.setattr(http, "BACKOFF", 0.001)


@pytest.fixture(autouse=True)
def _quick_load(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load quickly, unless the test is marked ``full_load``: the tests of a source are about what it reads."""
    if not request.node.get_closest_marker("full_load"):
        load_quickly(monkeypatch)


@pytest.fixture
def live(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Live:
    """``live(site, pull)``: with ``--live-minutes``, pull so often while a test moves the site's clock."""
    minutes = request.config.getoption("--live-minutes")

    def begin(site: Running, pull: Callable[[], Any]) -> None:
        if minutes:
            pull_as_time_passes(site, pull, timedelta(minutes=minutes), monkeypatch)

    return begin
