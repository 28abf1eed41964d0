"""A store for alerts, and places on this machine that they are delivered to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from impulsum_pipelines_tests.alerts.sinks import Mails, Webhook

#: A Tuesday morning, in nobody's quiet hours.
NOW = datetime(2026, 11, 3, 10, tzinfo=UTC)


@pytest.fixture
def mails() -> Iterator[Mails]:
    with Mails() as running:
        yield running


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as running:
        yield running
