"""A store for alerts, and places on this machine that they are delivered to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from impulsum_pipelines.files import Home
from impulsum_pipelines.ops import schema, store
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines_tests.alerts.sinks import Mails, Webhook

#: A Tuesday morning, in nobody's quiet hours.
NOW = datetime(2026, 11, 3, 10, tzinfo=UTC)


@pytest.fixture
def ops_settings() -> Iterator[Settings]:
    """Settings of an empty ops store."""
    settings = load_settings()
    Home.of(settings).root.mkdir(parents=True, exist_ok=True)
    with store.transaction(settings) as connection:
        schema.metadata.create_all(connection)
    yield settings
    store._engine(store._url(settings)).dispose()


@pytest.fixture
def mails() -> Iterator[Mails]:
    with Mails() as running:
        yield running


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as running:
        yield running
