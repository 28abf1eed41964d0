"""The smallest bodies that look like a vendor's, and the events made from them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.webhooks.events.event import Event, read_event
from impulsum_pipelines.webhooks.events.triage import Classification, classify, load_rules

RECEIVED = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
#: Some minutes before ``RECEIVED``, in milliseconds.
OCCURRED_MS = 1_793_620_500_000


def event(source: str, body: Any, headers: dict[str, str] | None = None, delivery: str | None = None) -> Event:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_event(source, headers or {}, raw, RECEIVED, delivery)


def classification(of: Event) -> Classification:
    """Classify an event by the default rules."""
    return classify(of, load_rules(load_settings()))


def issue(
    key: str = "ABC-1", *, changed: dict[str, tuple[str | None, str | None]] | None = None, **fields: Any
) -> dict[str, Any]:
    """An update of an issue, or, without changes, its creation."""
    items = [{"field": name, "fromString": old, "toString": new} for name, (old, new) in (changed or {}).items()]
    return {
        "timestamp": OCCURRED_MS,
        "webhookEvent": "jira:issue_created" if changed is None else "jira:issue_updated",
        "issue_event_type_name": "issue_created" if changed is None else "issue_generic",
        "user": {"accountId": "5cf", "accountType": "atlassian", "displayName": "Ada"},
        "issue": {
            "id": "10001",
            "key": key,
            "self": "https://acme.atlassian.net/rest/api/2/issue/10001",
            "fields": {
                "summary": "The checkout",
                "status": {"name": "To Do", "statusCategory": {"key": "new"}},
                "priority": {"name": "Medium"},
                "project": {"key": key.split("-", maxsplit=1)[0]},
                **fields,
            },
        },
        "changelog": {"items": items},
    }


ACTIVE_SPRINT: dict[str, Any] = {"customfield_10020": [{"id": 7, "name": "Sprint 7", "state": "active", "boardId": 3}]}
DONE: dict[str, Any] = {"name": "Done", "statusCategory": {"key": "done"}}


def message(text: str, *, ts: str = "1793620500.000100", **more: Any) -> dict[str, Any]:
    event = {"type": "message", "channel": "C1", "user": "U1", "text": text, "ts": ts, "event_ts": ts, **more}
    return {
        "type": "event_callback",
        "team_id": "T1",
        "event_id": f"Ev{ts}",
        "event_time": int(float(ts)),
        "event": event,
    }


def on_repository(**more: Any) -> dict[str, Any]:
    return {
        "repository": {"full_name": "acme/shop", "default_branch": "main", "html_url": "https://github.com/acme/shop"},
        "sender": {"login": "ada", "type": "User"},
        **more,
    }


def pull(number: int = 12, *, title: str = "Faster", branch: str = "faster", **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "title": title,
        "state": "open",
        "head": {"ref": branch},
        "html_url": f"https://github.com/acme/shop/pull/{number}",
        "updated_at": "2026-11-02T11:56:00Z",
        **more,
    }


def github(name: str, **more: Any) -> Event:
    return event("github", on_repository(**more), {"X-GitHub-Event": name, "X-GitHub-Delivery": f"{name}-1"})
