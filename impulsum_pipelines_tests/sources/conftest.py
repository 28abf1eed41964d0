"""Fixtures of every source's tests."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sources import _http


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off for milliseconds; a Retry-After that the source sends is still obeyed as it is."""
    monkeypatch.setattr(_http, "BACKOFF", 0.001)
