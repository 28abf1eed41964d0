"""Fixtures: a home with an inbox, and receivers that have a secret for every source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
import requests
import sqlalchemy as sa

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines.webhooks.receiving.serving import running_receiver
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS

SECRET = "It's a Secret to Everybody"


class RunningReceiver:
    """A running receiver."""

    def __init__(self, url: str, home: Home) -> None:
        self.url = url
        self.home = home

    def post(self, source: str, body: bytes, headers: dict[str, str] | None = None) -> requests.Response:
        """Send a body with these headers."""
        return requests.post(f"{self.url}/webhooks/{source}", data=body, headers=headers, timeout=30)

    def signed(self, source: str, body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
        """The headers that the vendor would send with a body."""
        signature = VENDORS[source].scheme.sign(secret, body, at or datetime.now(UTC))
        return {"Content-Type": "application/json", **signature}

    def deliver(
        self, source: str, body: bytes, *, secret: str = SECRET, at: datetime | None = None, **headers: str
    ) -> requests.Response:
        """Send a body as its vendor would, signed."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(source, body, {**self.signed(source, body, secret=secret, at=at), **named})

    def stored(self) -> list[dropfiles.DropFile]:
        """The drop files in the inbox."""
        return [dropfiles.read_dropfile(path) for path in dropfiles.waiting(self.home, 10_000)]


@pytest.fixture
def home() -> Home:
    return Home.of(load_settings())


@pytest.fixture
def connection(own_environment: None) -> Iterator[sa.Connection]:
    """A transaction in a new ops store."""
    with transaction(load_settings()) as opened:
        yield opened


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RunningReceiver]]:
    """Starts receivers: ``receiver({"jira": secret}, allow_unsigned=True)``; every source has SECRET by default."""
    with ExitStack() as stack:

        def start(secrets: dict[str, str] | None = None, **options: bool) -> RunningReceiver:
            for source, secret in (dict.fromkeys(VENDORS, SECRET) if secrets is None else secrets).items():
                monkeypatch.setenv(f"{source.upper()}_WEBHOOK_SECRET", secret)
            settings = load_settings()
            return RunningReceiver(stack.enter_context(running_receiver(settings, **options)), Home.of(settings))

        yield start
