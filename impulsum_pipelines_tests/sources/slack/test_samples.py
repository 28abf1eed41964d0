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
from impulsum_pipelines_tests.places import SHARED

SAMPLES = SHARED / "data" / "slack_samples.tar.gz"
pytestmark = pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not in ../shared/data")

#: How many of each the 36 answers and 97 events contain: the test must meet all of them.
RECORDED = {"messages": 37, "channels": 12, "users": 7, "members": 1}


def recorded() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every answer and event, by the name of its file."""
    with tarfile.open(SAMPLES) as archive:
        for member in archive.getmembers():
            found = archive.extractfile(member) if member.name.endswith(".json") else None
            if found:
                yield Path(member.name).stem, orjson.loads(found.read())


def documents(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(table, document) for everything in an answer or an event that belongs in a table."""
    event = body.get("event") or {}
    places = [body, *body.get("items", ()), event, event.get("item")]
    for place in filter(lambda place: isinstance(place, dict), places):
        channel = place.get("channel")
        found = [place, place.get("message"), place.get("previous_message"), *place.get("messages", ())]
        found += [channel.get("latest")] if isinstance(channel, dict) else []
        yield from (("messages", d) for d in found if isinstance(d, dict) and "ts" in d and "type" in d)
        yield from (("channels", d) for d in (channel, *place.get("channels", ())) if _is_channel(d))
        listed = (place.get("user"), *place.get("members", ()))
        yield from (("users", d) for d in listed if isinstance(d, dict) and "profile" in d)
        yield from (("members", d) for d in place.get("members", ()) if isinstance(d, str))


def _is_channel(document: object) -> bool:
    return isinstance(document, dict) and bool({"is_channel", "is_im", "is_archived"} & document.keys())


def row_of(table: str, document: Any) -> rows.Row:
    """A row as a pull would make it."""
    if table == "messages":
        return rows.message(document.get("channel", "C1"), document.get("channel_type", "im"), document)
    return rows.member("C1", document) if table == "members" else SHAPES[table](document)


SHAPES = {"channels": rows.channel, "users": rows.user}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value that is no container, and every empty container, with its place."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from leaves(part, f"{path}/{name}")
    if not parts:
        yield path, repr(value)


def test_a_recorded_document_becomes_a_row_without_losing_a_value() -> None:
    declared = {table.name: {column.name for column in table.columns} | {"id", "payload"} for table in TABLES}
    met: Counter[str] = Counter()
    values = 0
    for name, body in recorded():
        for table, document in documents(body):
            row = row_of(table, document)
            assert set(row) == declared[table]
            given = dict(leaves(document)) if isinstance(document, dict) else {"/user": repr(document)}
            # The root in a reply that was also sent to the channel is a copy of a message that has its own row.
            given = {path: value for path, value in given.items() if not path.startswith("/root/")}
            kept = dict(leaves(orjson.loads(orjson.dumps(row["payload"]))))
            assert {path: kept.get(path) for path in given} == given, (name, table)
            added = {"/channel", "/channel_type"} if table in ("messages", "members") else set()
            assert kept.keys() - given.keys() <= added
            met[table] += 1
            values += len(given)
    assert met == RECORDED
    assert values > 5_000


@pytest.mark.parametrize(
    ("ts", "time"),
    [("1724936460.123456", "2024-08-29T13:01:00.123456+00:00"), ("1724936460", "2024-08-29T13:01:00+00:00")],
)
def test_a_ts_is_exact_to_the_microsecond(ts: Any, time: str) -> None:
    found = rows.from_ts(ts)
    assert found is not None
    assert found.isoformat() == time
    assert rows.to_ts(found).startswith(ts)


@pytest.mark.parametrize("ts", ["", "yesterday", None, "1.x"])
def test_what_is_no_ts_is_no_time(ts: Any) -> None:
    assert rows.from_ts(ts) is None
