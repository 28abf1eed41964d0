"""Fixtures of Notion's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from impulsum_pipelines.sources.notion import client
from impulsum_pipelines_tests.sources.notion.support import NOW


@pytest.fixture
def workspace(sandbox: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Starts a sandbox with a frozen clock; ``unlimited`` lifts the limit of requests on both sides."""

    def start(seed: int = 1, *, issues: int = 60, now: str = NOW, unlimited: bool = True) -> Any:
        site = sandbox(seed=seed, issues=issues, now=now)
        site.control("clock", freeze=True)
        if unlimited:
            monkeypatch.setattr(client, "PER_MINUTE", 1_000_000)
            site.control("notion/limit", per_minute=1_000_000)
        return site

    return start
