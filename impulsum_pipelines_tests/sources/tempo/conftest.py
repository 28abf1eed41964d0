"""Fixtures of Tempo's tests."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sandbox.tempo import limits
from impulsum_pipelines.sources.base.limits import Rate
from impulsum_pipelines.sources.tempo import client

#: By how much Tempo's limit is raised on both sides, which still count.
FACTOR = 40


@pytest.fixture
def high_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Tempo that allows, and a client that sends, more requests per second, so that a month passes in seconds."""
    monkeypatch.setattr(limits, "PER_SECOND", limits.PER_SECOND * FACTOR)
    monkeypatch.setattr(client, "RATE", Rate(client.RATE.limit * FACTOR, client.RATE.interval))
