"""Documents to rows: the vendor's examples lose no value; missing and odd values are null, not errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from impulsum_pipelines.sources.tempo import rows
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.places import SHARED

pytestmark = pytest.mark.usefixtures("high_limit")

EXAMPLES = SHARED / "data" / "webhooks" / "tempo_examples.json"


def examples() -> dict[str, Any]:
    """The vendor's examples of the documents in its webhooks."""
    if not EXAMPLES.exists():
        pytest.skip(f"the vendor's examples {EXAMPLES.name} are not in ../shared/data/webhooks")
    return {name: event["payload"] for name, event in orjson.loads(EXAMPLES.read_bytes()).items()}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object and no list, with its path."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, f"{path}.{name}")
    else:
        yield path, value


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        (("WebhookWorklogCreated", "WebhookWorklogUpdated", "WebhookWorklogDeleted"), rows.worklog),
        (("WebhookPlanCreated", "WebhookPlanUpdated", "WebhookPlanDeleted"), rows.plan),
        (("WebhookTeamCreated", "WebhookTeamDeleted"), rows.team),
    ],
)
def test_the_vendors_examples_lose_no_value(names: tuple[str, ...], shape: Callable[[Any], rows.Row]) -> None:
    for name in names:
        document = examples()[name]
        held = orjson.loads(orjson.dumps(shape(document)["payload"]))
        assert dict(leaves(held)) == dict(leaves(document))


def test_columns_of_the_vendors_examples() -> None:
    worklog = rows.worklog(examples()["WebhookWorklogUpdated"])
    assert {name: value for name, value in worklog.items() if name != "payload"} == {
        "id": "37",
        "issue_id": "10001",
        "author_id": "636e810fc9b26a8d857d461c",
        "start_date": date(2023, 5, 1),
        "start_time": "16:00:00",  # seconds since midnight, there
        "started_at": None,
        "work_month": "2023-05",
        "time_spent_seconds": 10800,
        "billable_seconds": 10800,
        "description": "Changed description",
        "account_key": None,
        "attributes": "{}",
        "created_at": datetime(2023, 5, 9, 10, 44, 38, 173000, UTC),
        "updated_at": datetime(2023, 5, 9, 10, 46, 33, 621000, UTC),
    }
    plan = rows.plan(examples()["WebhookPlanUpdated"])
    assert (plan["id"], plan["issue_id"], plan["planned_seconds_per_day"]) == ("17", "10000", 14400)
    assert (plan["start_date"], plan["rule"], plan["includes_non_working_days"]) == (date(2023, 5, 7), "NEVER", False)


def test_the_sandbox_names_and_types_things_as_the_vendors_examples_do(sandbox: SandboxFactory) -> None:
    """For fields that the interface and the webhooks share; webhooks write times and dates differently."""
    import requests

    site = sandbox(seed=1, issues=60)
    headers = {"Authorization": f"Bearer {site.env['TEMPO_API_TOKEN']}"}
    written_otherwise = {"startTime", "startDate", "endDate"}
    for path, name, only_there in (
        ("/worklogs", "WebhookWorklogUpdated", {"updater"}),
        ("/plans?from=2000-01-01&to=2099-12-31", "WebhookPlanUpdated", set()),
    ):
        [document, *_] = requests.get(site.env["TEMPO_API_URL"] + path, headers=headers, timeout=30).json()["results"]
        example = examples()[name]
        assert example.keys() - document.keys() <= only_there
        for field in example.keys() & document.keys() - written_otherwise:
            assert type(document[field]) is type(example[field]), field
        for field in ("author", "issue", "assignee", "planItem"):
            for inner in example.get(field, {}):
                assert type(document[field][inner]) is type(example[field][inner]), (field, inner)


def test_a_bare_document_is_a_row_and_odd_values_are_null() -> None:
    assert rows.worklog({"tempoWorklogId": 1})["start_date"] is None
    odd: dict[str, Any] = {
        "tempoWorklogId": 2,
        "issue": None,
        "author": [],
        "startDate": "soon",
        "startTime": 90_000,
        "startDateTimeUtc": {},
        "timeSpentSeconds": "3600",
        "attributes": {"values": [7, {"key": "_Color_"}, {"key": "_Account_", "value": "DEV"}]},
    }
    row = rows.worklog(odd)
    empty = ("issue_id", "author_id", "start_date", "work_month", "started_at", "time_spent_seconds")
    assert [row[name] for name in empty] == [None] * 6
    assert (row["account_key"], row["attributes"]) == ("DEV", '{"_Color_":null,"_Account_":"DEV"}')
    assert row["payload"] == odd
    assert rows.plan({"id": 3, "planItem": {"id": 9, "type": "PROJECT"}})["issue_id"] is None
    assert rows.account({"id": 4})["category_type"] is None


@pytest.mark.parametrize(
    ("document", "last"),
    [
        ({"to": "2026-11-01", "inclusiveTo": "2026-10-31"}, date(2026, 10, 31)),
        ({"to": "2026-11-01"}, date(2026, 10, 31)),
        ({"inclusiveTo": "2026-10-31"}, date(2026, 10, 31)),
        ({}, None),
    ],
)
def test_the_end_of_a_membership_is_its_last_day(document: dict[str, str], last: date | None) -> None:
    """The vendor's ``to`` is the day after, as no other of its dates."""
    assert rows.team_member({"id": 1, **document})["last_date"] == last
