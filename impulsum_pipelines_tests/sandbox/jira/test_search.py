"""Search: JQL's dates and operators, pages, tokens, lag, and what Jira refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from impulsum_pipelines_tests.sandbox.conftest import Client

Start = Callable[..., Client]


def _updated(issue: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(issue["fields"]["updated"])


@pytest.mark.parametrize("zone", ["Etc/UTC", "America/Bogota", "Africa/Nairobi"])
def test_a_quoted_date_is_read_in_the_users_zone_and_a_number_is_not(client: Start, zone: str) -> None:
    jira = client(time_zone=zone)
    issues = jira.search("project = ATLAS ORDER BY updated ASC", fields=["updated"])
    middle = _updated(issues[len(issues) // 2])
    assert middle.utcoffset() == ZoneInfo(zone).utcoffset(middle.replace(tzinfo=None))
    wanted = [i["key"] for i in issues if _updated(i) >= middle.replace(second=0, microsecond=0)]
    local = f"{middle.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    assert jira.keys(f'project = ATLAS AND updated >= "{local}" ORDER BY updated ASC') == wanted
    milliseconds = round(middle.timestamp() * 1000)
    exact = [i["key"] for i in issues if _updated(i) >= middle]
    assert jira.keys(f"project = ATLAS AND updated >= {milliseconds} ORDER BY updated ASC") == exact


def test_operators_combine(client: Start) -> None:
    jira = client(issues=90)
    everything = set(jira.keys("project in (ATLAS, BEAM)"))
    done = set(jira.keys("status = Done"))
    assert done
    assert set(jira.keys("project in (ATLAS, BEAM) AND NOT status = Done")) == everything - done
    assert set(jira.keys("status != Done")) == everything - done
    assert set(jira.keys("status = Done OR (project = BEAM and status not in (Done))")) == done | {
        key for key in everything if key.startswith("BEAM")
    }
    assert jira.keys("key in (ATLAS-3, ATLAS-1) order by id desc") == ["ATLAS-3", "ATLAS-1"]
    sprint = jira.search("key = ATLAS-3", fields=["*all"])[0]["fields"]["customfield_10020"]
    if sprint:
        assert "ATLAS-3" in jira.keys(f"sprint = {sprint[0]['id']}")
    assert jira.post("search/approximate-count", jql="status = Done").json() == {"count": len(done)}


@pytest.mark.parametrize(
    ("jql", "words"),
    [
        ("", "Unbounded"),
        ("ORDER BY updated", "Unbounded"),
        ("colour = red", "Field 'colour' does not exist"),
        ("project = NOWHERE", "The value 'NOWHERE' does not exist for the field 'project'."),
        ("status = Sleeping", "The value 'Sleeping' does not exist for the field 'status'."),
        ("key = ATLAS-9999", "An issue with key 'ATLAS-9999' does not exist"),
        ("updated >= yesterday", "Date value 'yesterday'"),
        ('updated >= "2026-11-01T00:00:00Z"', "Date value"),
        ("project = ATLAS AND", "Error in the JQL Query"),
        ("project > ATLAS", "The operator '>' is not supported"),
        ("project = ATLAS ORDER BY id, id, id, id, id, id, id, id", "maximum number of fields to sort by is 7"),
    ],
)
def test_what_jira_refuses(client: Start, jql: str, words: str) -> None:
    assert words in client().refused(jql)


def test_pages(client: Start) -> None:
    jira = client(issues=230)
    ids = jira.post("search/jql", jql="id > 0 ORDER BY id", maxResults=5000).json()
    assert len(ids["issues"]) == 230
    assert ids["isLast"]
    assert "nextPageToken" not in ids
    assert "total" not in ids
    assert "fields" not in ids["issues"][0]
    rich = jira.post("search/jql", jql="id > 0 ORDER BY id", fields=["summary"], maxResults=5000).json()
    assert len(rich["issues"]) == 100
    assert rich["isLast"] is False
    for size in (23, 46, 100):  # exact multiples and a partial last page
        walked = [i["id"] for i in jira.search("id > 0 ORDER BY id", fields=["summary"], maxResults=size)]
        assert walked == [i["id"] for i in ids["issues"]]
    by_get = jira.get("search/jql", jql="id > 0 ORDER BY id", fields="summary,status", maxResults=2).json()
    assert [set(i["fields"]) for i in by_get["issues"]] == [{"summary", "status"}] * 2
    assert jira.post("search/jql", jql="id > 0", nextPageToken="rubbish").status_code == 400
    assert jira.get("search", jql="id > 0").status_code == 410
    assert jira.post("search", jql="id > 0").status_code == 410


def test_an_edit_during_a_walk_moves_issues_over_the_page_boundary(client: Start) -> None:
    jira = client()
    query = {"jql": "project = ATLAS ORDER BY updated ASC, id ASC", "fields": ["key"], "maxResults": 10}
    everything = jira.keys("project = ATLAS ORDER BY updated ASC, id ASC")
    first = jira.post("search/jql", **query).json()
    jira.served.control("edit_issue", issue=everything[0], summary="Edited while somebody walks")
    second = jira.post("search/jql", **query, nextPageToken=first["nextPageToken"]).json()
    seen = [i["key"] for i in first["issues"] + second["issues"]]
    assert everything[10] not in seen


def test_800_issues_share_a_minute(client: Start) -> None:
    jira = client(issues=900)
    jira.served.control("clock", freeze=True)
    touched = jira.served.control("bulk_touch", count=800)
    issues = jira.search("updated >= 1793491200000 ORDER BY updated ASC, id ASC", fields=["updated"])
    assert {i["id"] for i in issues} == set(touched["ids"])
    assert len({_updated(i).replace(second=0, microsecond=0) for i in issues}) == 1


def test_search_sees_an_edit_late_and_a_read_by_id_at_once(client: Start) -> None:
    jira = client()
    jira.served.control("clock", freeze=True)
    jira.served.control("search_lag", seconds=60)
    jira.served.control("edit_issue", issue="ATLAS-3", summary="Seen late")

    def found() -> str:
        return str(jira.search("key = ATLAS-3", fields=["summary"])[0]["fields"]["summary"])

    assert found() != "Seen late"
    assert jira.get("issue/ATLAS-3").json()["fields"]["summary"] == "Seen late"
    jira.served.control("clock", advance_seconds=61)
    assert found() == "Seen late"


def test_answers_are_dated_by_the_sandboxs_clock(client: Start) -> None:
    jira = client(now="2026-11-01T00:00:00Z")
    jira.served.control("clock", freeze=True)
    before = jira.get("myself").headers["Date"]
    assert before.startswith("Sun, 01 Nov 2026 00:00:")
    jira.served.control("clock", advance_seconds=timedelta(days=1).total_seconds())
    assert jira.get("myself").headers["Date"] == before.replace("Sun, 01", "Mon, 02")
