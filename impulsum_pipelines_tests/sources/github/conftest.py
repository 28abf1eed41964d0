"""A GitHub in the sandbox, and pulls of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from impulsum_pipelines.sandbox.github.world import OWNER, REPOSITORIES
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines_tests.sources.pulls import Pulls

NOW = "2026-11-01T12:00:00Z"


class GitHub:
    """A sandbox's GitHub: its control door, and pulls through the public door."""

    def __init__(self, site: Running) -> None:
        self.site = site
        self.pulls = Pulls("github")
        self.sync, self.held, self.one = self.pulls.sync, self.pulls.held, self.pulls.one
        self.alive, self.everything = self.pulls.alive, self.pulls.everything

    def do(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """A verb of GitHub's control door."""
        return self.site.control(f"github/{verb}", **arguments)

    def later(self, seconds: float = 3600) -> None:
        """Let time pass."""
        self.site.control("clock", advance_seconds=seconds)

    def fault(self, path: str, **details: Any) -> None:
        """Let requests fail whose path contains ``path``."""
        self.site.control("fault", path=path, **details)

    def differences(self) -> dict[str, dict[str, Any]]:
        """How what is stored differs from the truth; empty when right."""
        return self.pulls.differences(self.do("truth"))

    def requests(self, *, reset: bool = True) -> int:
        """Requests answered since the last reset."""
        return sum(self.site.requests(reset=reset).values())

    @property
    def refused(self) -> int:
        """How many requests the limits refused."""
        return int(self.do("stats")["refused"])


StartGitHub = Callable[..., GitHub]


@pytest.fixture
def github(sandbox: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> StartGitHub:
    """Starts a sandbox; the arguments are those of ``sandbox``, with few issues unless given.

    Only the repository ``platform`` is visible and read, because a sync asks each one about a dozen lists; with
    ``every=True`` all three are.
    """

    def start(*, every: bool = False, **options: Any) -> GitHub:
        hub = GitHub(sandbox(**{"now": NOW, "issues": 10, **options}))
        if not every:
            read, *hidden = REPOSITORIES
            for name in hidden:
                hub.do("hide_repository", repository=name)
            monkeypatch.setenv("GITHUB_REPOSITORIES", f"{OWNER}/{read}")
        return hub

    return start
