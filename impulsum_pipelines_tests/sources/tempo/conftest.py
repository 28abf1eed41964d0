"""Fixtures of Tempo's tests."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sandbox.tempo import limits
from impulsum_pipelines.sources.base.limits import Rate
from impulsum_pipelines.sources.tempo import client

#: How much faster than Tempo's limit both sides go; both keep counting.
FACTOR = 40


@pytest.fixture
def fail_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Tempo that allows, and a client that takes, more requests a second: a month passes in seconds."""
    monkeypatch.setattr(limits, "PER_SECOND", limits.PER_SECOND * FACTOR)
    monkeypatch.setattr(client, "RATE", Rate(client.RATE.limit * FACTOR, client.RATE.interval))
