"""Any JSON object, from any source, becomes an event or is rejected with a reason; nothing else happens."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines.webhooks.events.event import EARLIEST, read_event
from impulsum_pipelines.webhooks.readers import vocabulary
from impulsum_pipelines_tests.webhooks.sample_events import (
    ACTIVE_SPRINT,
    RECEIVED,
    classification,
    issue,
    message,
    on_repository,
    pull,
)

_junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["\x00", "ABC-1", "9" * 400, "2026-11-02T11:00:00Z", "0001-01-01T00:00:00+14:00"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

_BODIES: dict[str, list[dict[str, Any]]] = {
    "jira": [
        issue(changed={"status": ("a", "b")}, labels=["x"], **ACTIVE_SPRINT),
        {**issue(), "comment": {"body": {"content": [{"text": "t"}]}, "author": {"accountId": "a"}, "self": "x"}},
        {"webhookEvent": "sprint_closed", "sprint": {"id": 1, "state": "closed", "originBoardId": 2}},
    ],
    "github": [
        on_repository(action="opened", pull_request=pull(labels=[{"name": "x"}])),
        on_repository(deployment={"environment": "p", "ref": "r"}, deployment_status={"state": "failure"}),
        on_repository(ref="refs/heads/main", commits=[{"message": "m"}]),
        on_repository(action="created", alert={"number": 1, "security_advisory": {"severity": "high"}}),
    ],
    "slack": [message("text", thread_ts="1.2"), message("", subtype="message_changed", message={"ts": "1.2"})],
    "fireflies": [{"event": "meeting.transcribed", "meeting_id": "m", "timestamp": 1}],
    "notion": [{"id": "e", "type": "page.moved", "entity": {"id": "p", "type": "page"}, "authors": [{"id": "u"}],
                "data": {"parent": {"id": "x", "type": "page"}, "updated_properties": ["a"]}}],
    "tempo": [{"eventId": "e", "eventType": "worklog.updated", "payload": {"tempoWorklogId": 1, "issue": {"id": 2},
               "timeSpentSeconds": 3, "author": {"accountId": "a"}, "updatedAt": "x"}}],
}  # fmt: skip


def _corrupted(draw: st.DrawFn, value: Any) -> Any:
    """A body in which some value is replaced or missing."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        name = draw(st.sampled_from(sorted(value)))
        rest = {field: part for field, part in value.items() if field != name}
        return {**rest, name: _corrupted(draw, value[name])} if draw(st.booleans()) else rest
    if isinstance(value, list) and value and draw(st.booleans()):
        return [_corrupted(draw, value[0]), *value[1:]]
    return draw(_junk)


@st.composite
def _deliveries(draw: st.DrawFn) -> tuple[str, Any]:
    source = draw(st.sampled_from([source.name for source in SOURCES]))
    body = draw(st.sampled_from(_BODIES[source]))
    for _ in range(draw(st.integers(1, 3))):
        body = _corrupted(draw, body)
    return source, draw(st.dictionaries(st.text(max_size=10), _junk, max_size=5)) if draw(st.booleans()) else body


@settings(max_examples=250)
@given(_deliveries(), st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3))
def test_anything_is_read_and_classified_or_rejected(delivery: tuple[str, Any], headers: dict[str, str]) -> None:
    source, body = delivery
    raw = json.dumps(body).encode()
    try:
        event = read_event(source, headers, raw, RECEIVED, None)
    except ImpulsumError as error:
        assert error.category is Category.BAD_DATA
        return
    assert isinstance(body, dict)
    assert event.occurred_at >= EARLIEST
    assert event.occurred_at.tzinfo is UTC
    assert event.type and event.key
    assert all(isinstance(subject, str) and subject for subject in event.subjects)
    assert len(event.subjects) == len(set(event.subjects))
    assert set(event.facts) <= set(vocabulary())
    written = [event.type, event.key, *event.subjects, event.title, event.url, event.actor]
    assert not any("\x00" in text or (not text.isprintable() and "\n" in text) for text in written if text)
    assert classification(event).why


@settings(max_examples=100)
@given(st.sampled_from([source.name for source in SOURCES]), st.binary(max_size=200))
def test_any_bytes_are_an_event_or_rejected(source: str, body: bytes) -> None:
    try:
        assert read_event(source, {}, body, RECEIVED, None).source == source
    except ImpulsumError as error:
        assert error.category is Category.BAD_DATA


@pytest.mark.parametrize("source", [source.name for source in SOURCES])
def test_an_empty_object_is_an_event_without_content(source: str) -> None:
    event = read_event(source, {}, b"{}", RECEIVED, None)
    assert (event.type, event.subjects, event.occurred_at) == ("unknown", (), RECEIVED)
