"""Documents in the shapes that Slack's own SDK recorded become rows, and no value of them is lost."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from impulsum_pipelines.sources.slack import rows
from impulsum_pipelines.sources.slack.tables import TABLES

SAMPLES = Path(__file__).parents[3] / ".." / "shared" / "data" / "slack_samples.tar.gz"
pytestmark = pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not in ../shared/data")

SHAPES = {
    "conversations.history": ("messages", "messages", lambda m: rows.message("C1", "public_channel", m)),
    "conversations.replies": ("messages", "messages", lambda m: rows.message("C1", "im", m)),
    "conversations.list": ("channels", "channels", rows.channel),
    "conversations.members": ("members", "members", lambda user: rows.member("C1", user)),
    "users.list": ("members", "users", rows.user),
}


def recorded(name: str) -> dict[str, Any]:
    with tarfile.open(SAMPLES) as archive:
        [member] = [m for m in archive.getmembers() if m.name.endswith(name)]
        found = archive.extractfile(member)
        assert found
        return orjson.loads(found.read())


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, f"{path}.{name}")
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part, f"{path}[]")
    else:
        yield path, repr(value)


@pytest.mark.parametrize("method", SHAPES)
def test_a_recorded_answer_becomes_rows_without_losing_a_value(method):
    key, table, shape = SHAPES[method]
    [declared] = [t for t in TABLES if t.name == table]
    documents = recorded(f"api/{method}.json")[key]
    assert documents
    for document in documents:
        row = shape(document)
        assert set(row) == {"id", "payload", *(column.name for column in declared.columns)}
        kept = Counter(leaves(orjson.loads(orjson.dumps(row["payload"]))))
        given = Counter(leaves(document)) if isinstance(document, dict) else Counter([(".user", repr(document))])
        # The root in a reply that was also sent to the channel is a copy of a message that has a row of its own.
        lost = {path for path, _ in given - kept if not path.startswith(".root.")}
        assert lost == set()


def test_messages_as_events_carry_them_become_rows_too():
    """The same documents, as a webhook brings them: all of their kinds fit."""
    for name in ("Message", "MessageBot", "MessageMe", "MessageFileShare", "MessageThreadBroadcast"):
        event = recorded(f"events/{name}Payload.json")["event"]
        row = rows.message("C1", "public_channel", event)
        assert row["ts"] == event["ts"]


@pytest.mark.parametrize(
    ("ts", "told"),
    [("1724936460.123456", "2024-08-29T13:01:00.123456+00:00"), ("1724936460", "2024-08-29T13:01:00+00:00")],
)
def test_a_ts_is_exact_to_the_microsecond(ts, told):
    found = rows.instant(ts)
    assert found is not None
    assert found.isoformat() == told
    assert rows.to_ts(found).startswith(ts)


@pytest.mark.parametrize("ts", ["", "yesterday", None, "1.x"])
def test_what_is_no_ts_is_no_time(ts):
    assert rows.instant(ts) is None
