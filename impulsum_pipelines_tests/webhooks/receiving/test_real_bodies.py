"""Recorded bodies and the vendors' examples: stored when signed, rejected when altered, read back as the same bytes."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from impulsum_pipelines_tests.places import SHARED
from impulsum_pipelines_tests.webhooks.conftest import RunningReceiver

DATA = SHARED / "data"
BODIES = DATA / "webhooks"
pytestmark = pytest.mark.skipif(not BODIES.exists(), reason="the bodies are not in ../shared/data/webhooks")

#: How many there are: none may be skipped.
RECORDED = {"jira": 28, "github": 137, "fireflies": 2, "notion": 6, "tempo": 23}


def archived(path: Path) -> Iterator[bytes]:
    """The JSON files of an archive."""
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            if member.name.endswith(".json") and (file := archive.extractfile(member)):
                yield file.read()


def examples(name: str) -> Any:
    return orjson.loads((BODIES / f"{name}_examples.json").read_bytes())


def recorded() -> Iterator[tuple[str, bytes]]:
    """Every body with its source."""
    yield from (("jira", body) for body in archived(BODIES / "jira_cloud_and_server.tar.gz"))
    yield from (("github", body) for body in archived(BODIES / "github.tar.gz"))
    yield from (("fireflies", orjson.dumps(examples("fireflies")[version])) for version in ("v1", "v2"))
    yield from (("notion", orjson.dumps(event)) for event in examples("notion")["events"])
    yield from (("tempo", orjson.dumps(event)) for event in examples("tempo").values())


def test_every_body_is_stored_when_signed_and_rejected_when_altered(receiver: Callable[..., RunningReceiver]) -> None:
    receiving = receiver()
    sent: list[tuple[str, bytes]] = []
    for number, (source, body) in enumerate(recorded()):
        ids = {"X-GitHub-Delivery": str(number), "X-Atlassian-Webhook-Identifier": str(number)}
        altered = body.replace(b'"', b"'", 1)
        assert altered != body
        signed = receiving.signed(source, body)
        assert receiving.post(source, altered, {**signed, **ids}).status_code == 401
        assert receiving.post(source, body, {**signed, **ids}).status_code == 200
        sent.append((source, body))
    assert Counter(source for source, _ in sent) == RECORDED
    stored = receiving.stored()
    distinct = {(source, body) for source, body in sent}
    assert {(drop.source, drop.body) for drop in stored} == distinct - repeated_ids(sent)


def repeated_ids(sent: list[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
    """Two of Tempo's examples have the eventId of an earlier one, so they count as repeated deliveries."""
    seen: set[str] = set()
    repeated = set()
    for source, body in sent:
        if source == "tempo":
            event_id = orjson.loads(body)["eventId"]
            if event_id in seen:
                repeated.add((source, body))
            seen.add(event_id)
    return repeated


@pytest.mark.skipif(not (DATA / "slack_samples.tar.gz").exists(), reason="the samples are not in ../shared/data")
def test_every_event_of_slack_is_stored(receiver: Callable[..., RunningReceiver]) -> None:
    """The values of the samples are blanked, so each gets an id here, as Slack sends one."""
    receiving = receiver()
    events = [orjson.loads(body) for body in archived(DATA / "slack_samples.tar.gz")]
    events = [event for event in events if "event" in event]
    assert len(events) > 50
    for number, event in enumerate(events):
        assert receiving.deliver("slack", orjson.dumps(event | {"event_id": f"Ev{number}"})).status_code == 200
    assert {stored.delivery for stored in receiving.stored()} == {f"Ev{number}" for number in range(len(events))}
