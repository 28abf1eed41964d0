"""Fixtures of every source's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from impulsum_pipelines.sandbox.server import Running, running_app
from impulsum_pipelines.sandbox.worlds import generate
from impulsum_pipelines.sources.base import http
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.quick_load import load_quickly
from impulsum_pipelines_tests.sources.live import Live, pull_as_time_passes
from impulsum_pipelines_tests.sources.sites import FirstPulls, Stage


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


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """One address for the sandboxes of a worker's tests: to start and stop a server takes a tenth of a second."""
    stage = Stage()
    with running_app(stage) as stage.url:
        yield stage


@pytest.fixture
def sandbox(stage: Stage, sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> SandboxFactory:
    """The fixture of every test, except that a test's first sandbox is at the address that the worker's tests share."""
    shown: list[Running] = []

    def start(seed: int = 1, issues: int = 60, now: str = "2026-11-01T00:00:00Z", **options: Any) -> Running:
        if shown:
            return sandbox(seed, issues, now, **options)
        shown.append(stage.show(generate(seed=seed, issues=issues, now=datetime.fromisoformat(now), **options)))
        for name, value in shown[0].env.items():
            monkeypatch.setenv(name, value)
        return shown[0]

    return start


@pytest.fixture(scope="session")
def first_pulls(tmp_path_factory: pytest.TempPathFactory) -> FirstPulls:
    """The first pulls that the worker's tests share."""
    return FirstPulls(tmp_path_factory.mktemp("first_pulls"))
