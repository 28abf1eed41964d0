"""A Fireflies in the sandbox, with room for a test's requests, and pulls of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from impulsum_pipelines.loading.result import LoadResult
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.fireflies import client
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.pulls import Pulls
from impulsum_pipelines_tests.sources.sites import FirstPulls

NOW = "2026-11-02T12:00:00Z"


class Fireflies:
    """One sandbox, its Fireflies, and what is stored of it."""

    def __init__(self, served: Running) -> None:
        self.served = served
        self.pulls = Pulls("fireflies")

    def do(self, verb: str, **arguments: Any) -> Any:
        """Change something in the sandbox's Fireflies, through its control door."""
        return self.served.control(f"fireflies/{verb}", **arguments)

    def later(self, **time: float) -> None:
        """Let time pass: days=, hours=, minutes=."""
        seconds = time.get("days", 0) * 86_400 + time.get("hours", 0) * 3_600 + time.get("minutes", 0) * 60
        self.served.control("clock", advance_seconds=seconds)

    def sync(self, **arguments: Any) -> LoadResult:
        """Pull Fireflies once."""
        return self.pulls.sync(**arguments)

    def differences(self) -> dict[str, Any]:
        """How what is stored differs from the truth; empty when right."""
        return self.pulls.differences(self.do("truth"))

    def ids(self) -> list[str]:
        """The meetings that the key sees, newest first."""
        return [meeting["id"] for meeting in self.do("meetings")["meetings"] if not meeting["hidden"]]

    def refused(self) -> int:
        """How many requests the vendor's limits refused."""
        return int(self.do("limits")["refused"])


#: Starts a Fireflies; the arguments are those of ``sandbox``, and whether it allows many requests per minute.
StartFireflies = Callable[..., Fireflies]


@pytest.fixture
def fireflies(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> StartFireflies:
    """Starts a sandbox whose Fireflies allows many requests per minute: a test does in seconds what takes days."""

    def start(seed: int = 1, *, roomy: bool = True, **options: Any) -> Fireflies:
        started = Fireflies(sandbox(seed=seed, **{"issues": 8, "now": NOW, **options}))
        started.served.control("clock", now=NOW, freeze=True)
        started.do("limits")  # makes the meetings, at the same instant for each test
        started.served.control("clock", freeze=False)
        if roomy:
            monkeypatch.setattr(client, "PER_MINUTE", 10_000)
            monkeypatch.setenv("FIREFLIES_REQUESTS_A_DAY", "80000")
            started.do("set_quota", per_day=100_000, per_minute=10_000)
        return started

    return start


@pytest.fixture
def site(fireflies: StartFireflies, first_pulls: FirstPulls) -> Fireflies:
    """A Fireflies that was pulled an hour ago."""
    started = fireflies(seed=3)
    first_pulls.pull(started.served, started.sync, "fireflies")
    started.later(hours=1)
    return started
