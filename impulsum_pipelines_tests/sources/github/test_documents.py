"""Real documents as rows: the documents of recorded webhooks lose no value, and odd values stay in the payload."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from impulsum_pipelines.sources.github import rows
from impulsum_pipelines.sources.github.tables import TABLES
from impulsum_pipelines_tests.places import SHARED

SAMPLES = SHARED / "data" / "webhooks" / "github.tar.gz"

#: By field of a body, the table of the document in it, in all events.
PLACES = {
    "pull_request": "pull_requests",
    "review": "reviews",
    "issue": "issues",
    "release": "releases",
    "deployment": "deployments",
    "deployment_status": "deployment_statuses",
    "workflow_run": "workflow_runs",
    "commit": "commits",
    "repository": "repositories",
}
#: By event, the table of its comment; comments on commits and in discussions have no table.
COMMENTS = {"pull_request_review_comment": "review_comments", "issue_comment": "issue_comments"}
#: How many documents of each table are in the 137 bodies: none may be skipped.
RECORDED = {
    "repositories": 119,
    "pull_requests": 19,
    "issues": 18,
    "releases": 6,
    "issue_comments": 4,
    "workflow_runs": 3,
    "reviews": 2,
    "review_comments": 2,
    "deployments": 2,
    "deployment_statuses": 1,
    "commits": 1,
}


def samples() -> Iterator[tuple[str, str, Any]]:
    """(table, event, document) of everything in the recorded bodies that we have a table for."""
    if not SAMPLES.exists():
        pytest.skip("the recorded webhooks are not in ../shared/data")
    with tarfile.open(SAMPLES) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            if not member.name.endswith(".json"):
                continue
            event = Path(member.name).parent.name
            opened = archive.extractfile(member)
            assert opened is not None
            body = json.loads(opened.read())
            places = PLACES | ({"comment": COMMENTS[event]} if event in COMMENTS else {})
            for name, table in places.items():
                if body.get(name) is not None:
                    yield table, event, body[name]


def row_of(table: str, document: Any) -> rows.Row:
    """A row as the walk would make it."""
    more: dict[str, tuple[Any, ...]] = {
        "pull_requests": (["a" * 40],),
        "reviews": ({"id": 7, "number": 8},),
        "deployment_statuses": ("9",),
    }
    if table == "repositories":
        return rows.repository(document)
    return rows.TO_ROW[table]("1", document, *more.get(table, ()))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value that is not a container, and every empty container, with its path."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from leaves(member, f"{path}/{name}")
    if not members:
        yield path, json.dumps(value)


def test_recorded_documents_lose_no_value() -> None:
    met: Counter[str] = Counter()
    values: Counter[str] = Counter()
    for table, event, document in samples():
        row = row_of(table, document)
        given, kept = list(leaves(document)), list(leaves(orjson.loads(orjson.dumps(row["payload"]))))
        assert len(kept) == len(given)
        assert kept == given, (table, event)
        met[table] += 1
        values[table] += len(given)
    assert met == RECORDED
    assert set(met) == {table.name for table in TABLES}
    assert sum(values.values()) > 20_000


def test_recorded_documents_fill_the_columns() -> None:
    """At least one recorded document of each table fills each of its columns, except those in EMPTY."""
    filled: dict[str, set[str]] = {}
    for table, _, document in samples():
        row = row_of(table, document)
        filled.setdefault(table, set()).update(name for name, value in row.items() if value is not None)
    empty = {table.name: sorted({column.name for column in table.columns} - filled[table.name]) for table in TABLES}
    assert {table: names for table, names in empty.items() if names} == EMPTY


#: Columns that no recorded document fills: nothing in them was merged or closed, and newer fields are missing.
EMPTY = {
    "commits": ["author"],
    "deployments": ["is_production"],
    "issues": ["closed_at", "closed_by", "state_reason"],
    "pull_requests": ["merged_at", "merged_by"],
    "review_comments": ["in_reply_to_id"],
}


def test_every_row_has_the_columns_of_its_table() -> None:
    declared = {table.name: {column.name for column in table.columns} | {"id", "payload"} for table in TABLES}
    for table, _, document in samples():
        assert row_of(table, document).keys() == declared[table]


def test_an_account_that_is_gone_and_odd_values_are_null_and_whole_in_the_payload() -> None:
    document = {"id": 5, "number": 3, "user": None, "labels": None, "title": 12, "updated_at": "soon", "comments": "x"}
    row = rows.issue("1", document)
    assert (row["author"], row["labels"], row["title"], row["updated_at"], row["comment_total"]) == (
        None, "[]", "12", None, None,
    )  # fmt: skip
    assert row["payload"] == document


def test_times_of_commits_are_utc_whatever_the_offset() -> None:
    dates = {"author": {"date": "2026-01-01T23:30:00-05:00"}, "committer": {"date": "2026-01-02T04:30:00Z"}}
    row = rows.commit("1", {"sha": "a", "commit": dates, "parents": [{}, {}]})
    assert row["authored_at"] == row["committed_at"] == datetime(2026, 1, 2, 4, 30, tzinfo=UTC)
    assert (row["id"], row["is_merge"]) == ("1:a", True)
