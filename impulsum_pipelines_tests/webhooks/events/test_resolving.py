"""When an alert of events is resolved, when people are notified of it, and that later events raise a new one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from impulsum_pipelines.alerts.lifecycle import acknowledge
from impulsum_pipelines.alerts.outbox import deliver
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.ops.schema import alerts
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.events import inbox
from impulsum_pipelines.webhooks.events.resolving import resolve_quiet
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines_tests.alerts.actions import with_channels
from impulsum_pipelines_tests.alerts.sinks import Webhook
from impulsum_pipelines_tests.webhooks.sample_events import DONE, issue

#: A Tuesday morning, outside quiet hours.
BEGUN = datetime(2026, 11, 3, 10, tzinfo=UTC)

HIGHEST: dict[str, Any] = {"priority": {"name": "Highest"}}
Happens = Callable[[float, dict[str, Any] | None], None]


@pytest.fixture
def webhook() -> Any:
    with Webhook() as running:
        yield running


@pytest.fixture
def there(ops_settings: Settings, webhook: Webhook) -> Settings:
    return with_channels(ops_settings, webhook.address)


@pytest.fixture
def happens(there: Settings, monkeypatch: pytest.MonkeyPatch) -> Happens:
    """Run the pipeline at a time, in hours after the beginning: store an event, resolve quiet alerts, notify."""

    def happen(hours: float, body: dict[str, Any] | None) -> None:
        now = BEGUN + timedelta(hours=hours)
        monkeypatch.setattr(inbox, "datetime", type("Then", (), {"now": lambda _zone: now}))
        if body is not None:
            body["timestamp"] = round(now.timestamp() * 1000)
            dropfiles.write_dropfile(Home.of(there), "jira", orjson.dumps(body), headers={}, received_at=now)
            assert inbox.process_inbox(there).committed == 1
        with transaction(there) as connection:
            resolve_quiet(connection, there, now)
        deliver(there, now=now)

    return happen


def acknowledged(settings: Settings, hours: float) -> None:
    with transaction(settings) as connection:
        alert: Any
        [alert] = connection.execute(sa.select(alerts.c.id).where(alerts.c.state != "resolved")).scalars()
        acknowledge(connection, alert, by="ana", at=BEGUN + timedelta(hours=hours))


def states(settings: Settings) -> list[tuple[str, str]]:
    with transaction(settings) as connection:
        rows = connection.execute(sa.select(alerts.c.priority, alerts.c.state).order_by(alerts.c.id))
        return [(row.priority, row.state) for row in rows]


def done() -> dict[str, Any]:
    return issue("AB-1", changed={"status": ("To Do", "Done")}, status=DONE, **HIGHEST)


def reopened() -> dict[str, Any]:
    return issue("AB-1", changed={"resolution": ("Done", None)}, **HIGHEST)


def test_a_second_outage_on_one_issue_is_notified(there: Settings, happens: Happens, webhook: Webhook) -> None:
    happens(0, issue("AB-1", **HIGHEST))
    acknowledged(there, 0.1)
    happens(10, done())
    assert states(there) == [("P0", "resolved")]
    happens(11, None)
    happens(20, issue("AB-1", changed={"labels": ("", "later")}, status=DONE))
    happens(30, reopened())
    assert states(there)[-1] == ("P0", "notified")
    mine = [title.partition("]")[0] + "]" + title.partition("]")[2][:10] for title in webhook.titles if "P0" in title]
    assert len(mine) == 3 and mine[1] == "[P0] Resolved:" and "Resolved" not in mine[2]


def test_an_old_acknowledgement_does_not_cover_new_events(there: Settings, happens: Happens, webhook: Webhook) -> None:
    happens(0, issue("AB-1", **HIGHEST))
    acknowledged(there, 0.1)
    happens(11, reopened())
    assert (states(there), len(webhook.titles)) == ([("P0", "acknowledged")], 1)
    happens(22, reopened())
    assert (states(there), len(webhook.titles)) == ([("P0", "notified")], 2)
    assert "Back again" in webhook.titles[1]


def test_information_is_resolved_after_a_day_without_a_notification(
    there: Settings, happens: Happens, webhook: Webhook
) -> None:
    happens(0, issue("AB-1", issuetype={"name": "Bug"}, priority={"name": "High"}))
    assert states(there) == [("P2", "notified")]
    happens(23, None)
    assert states(there) == [("P2", "notified")]
    happens(25, None)
    happens(50, None)
    assert (states(there), len(webhook.titles)) == ([("P2", "resolved")], 1)


def test_another_issue_that_is_done_resolves_nothing(there: Settings, happens: Happens) -> None:
    happens(0, issue("AB-1", **HIGHEST))
    other = issue("AB-2", changed={"status": ("To Do", "Done")}, status=DONE, summary="Part of AB-1")
    other["issue"]["id"] = "10002"
    happens(1, other)
    assert states(there) == [("P0", "notified")]
