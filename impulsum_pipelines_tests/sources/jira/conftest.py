"""Fixtures of the Jira tests: a sync through the public door, and a look at what is held."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sources import _http


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off for milliseconds; a Retry-After that the source sends is still obeyed as it is."""
    monkeypatch.setattr(_http, "BACKOFF", 0.001)
