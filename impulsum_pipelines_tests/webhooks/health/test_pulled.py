"""Every source: pulled changes and events match by subject and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines.webhooks.health.check import check
from impulsum_pipelines.webhooks.health.pulled import Change, read_pulled
from impulsum_pipelines.webhooks.readers import readers
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.webhooks.health.team import BY_NAME, arrive, commit, outcomes, seen_by

pytestmark = pytest.mark.usefixtures("quick_loads")

Delivery = tuple[dict[str, Any], dict[str, str]]


def jira(change: Change) -> Delivery:
    issue = {"id": change.subject.partition(":")[2], "key": change.name, "fields": {"summary": "Better"}}
    stamp = round(change.changed_at.timestamp() * 1000)
    return {"timestamp": stamp, "webhookEvent": "jira:issue_updated", "issue": issue}, {}


def github(change: Change) -> Delivery:
    repository, _, number = change.name.partition("#")
    pull = {"number": int(number), "title": "Faster", "updated_at": change.changed_at.isoformat()}
    body = {"action": "edited", "pull_request": pull, "repository": {"full_name": repository}}
    return body, {"x-github-event": "pull_request"}


def slack(change: Change) -> Delivery:
    _, channel, thread = change.subject.split(":")
    since = change.changed_at - datetime(1970, 1, 1, tzinfo=UTC)
    stamp = f"{since // timedelta(seconds=1)}.{since.microseconds:06d}"
    message = {"type": "message", "channel": channel, "ts": stamp, "event_ts": stamp, "thread_ts": thread, "user": "U1"}
    return {"type": "event_callback", "event": message}, {}


def fireflies(change: Change) -> Delivery:
    ready = round((change.changed_at + timedelta(hours=2)).timestamp() * 1000)
    return {"event": "meeting.transcribed", "meeting_id": change.subject.partition(":")[2], "timestamp": ready}, {}


def notion(change: Change) -> Delivery:
    page = {"type": "page", "id": change.subject.partition(":")[2]}
    gathered = (change.changed_at + timedelta(minutes=4)).isoformat()
    return {"type": "page.content_updated", "timestamp": gathered, "entity": page}, {}


def tempo(change: Change) -> Delivery:
    worklog = {"tempoWorklogId": change.subject.partition(":")[2], "updatedAt": change.changed_at.isoformat()}
    return {"eventType": "worklog.updated", "payload": worklog}, {}


AS_THE_VENDOR: Mapping[str, Callable[[Change], Delivery]] = {
    "jira": jira,
    "github": github,
    "slack": slack,
    "fireflies": fireflies,
    "notion": notion,
    "tempo": tempo,
}


@pytest.mark.parametrize("source", [source.name for source in SOURCES])
def test_a_pulled_change_and_its_event_find_each_other(source: str, sandbox: SandboxFactory) -> None:
    sandbox(issues=12, now="2026-11-18T18:00:00Z")
    result = run_load(source, load_settings())
    assert result.watermark_to is not None
    found = read_pulled(load_settings(), source, since=None, subjects=())
    assert found is not None
    kind = readers()[source].pulled_kinds[0].kind
    change = next(change for change in reversed(found.changes) if change.subject.startswith(f"{kind}:"))
    body, headers = AS_THE_VENDOR[source](change)
    arrive(source, body, result.watermark_to, headers)
    commit()
    checked = check(load_settings(), BY_NAME[source], at=result.watermark_to)
    assert checked is not None and checked.unseen == 0
    assert seen_by() == [change.sync_id]
    assert outcomes()["told"] == 1


def test_slack_need_not_show_a_deleted_message_or_one_in_an_old_thread(sandbox: SandboxFactory) -> None:
    site = sandbox(issues=12, now="2026-11-18T18:00:00Z")
    run_load("slack", load_settings())
    channel = next(found["id"] for found in site.control("slack/channels").values() if found["has_bot"])
    now = datetime(2026, 11, 18, 18, 1, tzinfo=UTC)
    stamps = [f"{now.timestamp() + second:.6f}" for second in range(4)]
    deleted, deletion, in_old_thread, lost = (
        {"channel": channel, "user": "U1", "ts": stamp, "event_ts": stamp, "type": "message"} for stamp in stamps
    )
    deletion |= {"subtype": "message_deleted", "deleted_ts": deleted["ts"]}
    in_old_thread["thread_ts"] = f"{(now - timedelta(days=40)).timestamp():.6f}"
    for second, event in enumerate((deleted, deletion, in_old_thread, lost)):
        body = {"type": "event_callback", "event_id": event["ts"], "event": event}
        arrive("slack", body, now + timedelta(seconds=second))
    commit()
    site.control("clock", advance_seconds=3600)
    run_load("slack", load_settings())
    checked = check(load_settings(), BY_NAME["slack"], at=now + timedelta(hours=1))
    assert checked is not None and checked.unseen == 1
    assert seen_by() == ["none", "none", "none", None]


@pytest.mark.parametrize("source", [source.name for source in SOURCES])
def test_each_source_says_which_of_its_events_a_pull_must_show(source: str) -> None:
    assert any(kind.changed_by for kind in readers()[source].pulled_kinds)
    for kind in readers()[source].pulled_kinds:
        assert not kind.changed_by & (kind.deleted_by | kind.undone_by)
