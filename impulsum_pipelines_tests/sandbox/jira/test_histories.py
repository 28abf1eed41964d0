"""Changelogs, comments and worklogs: cut inline, split over pages, and listed late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from impulsum_pipelines_tests.sandbox.conftest import Client

Start = Callable[..., Client]


def _bulk(jira: Client, ids: list[str], size: int, **more: Any) -> list[list[tuple[str, dict[str, Any]]]]:
    """Every page of ``changelog/bulkfetch``, as (issue id, history)."""
    pages: list[list[tuple[str, dict[str, Any]]]] = []
    token: dict[str, Any] = {}
    while True:
        page = jira.post("changelog/bulkfetch", issueIdsOrKeys=ids, maxResults=size, **more, **token).json()
        pages.append([(log["issueId"], h) for log in page["issueChangeLogs"] for h in log["changeHistories"]])
        if "nextPageToken" not in page:
            return pages
        token = {"nextPageToken": page["nextPageToken"]}


def test_the_inline_changelog_is_cut_at_40_and_the_issues_own_is_not(client: Start) -> None:
    jira = client()
    jira.served.control("add_histories", issue="ATLAS-3", count=1005)
    inline = jira.get("issue/ATLAS-3", expand="changelog").json()["changelog"]
    assert (len(inline["histories"]), inline["total"] >= 1005) == (40, True)
    assert inline["histories"][0]["items"][0]["toString"] == "Edited for the 1005. time"
    own: list[dict[str, Any]] = []
    while len(own) < inline["total"]:
        page = jira.get("issue/ATLAS-3/changelog", startAt=len(own)).json()
        assert len(page["values"]) <= 100
        own += page["values"]
    assert page["isLast"]
    assert [h["created"] for h in own] == sorted(h["created"] for h in own)
    assert own[-1]["id"] == inline["histories"][0]["id"]


def test_bulk_histories_are_split_over_pages_and_complete(client: Start) -> None:
    jira = client(issues=90)
    issues = jira.search("project = ATLAS", fields=["summary"], expand="changelog", maxResults=100)
    ids = [i["id"] for i in issues]
    pages = _bulk(jira, ids, 7)
    assert all(len(page) == 7 for page in pages[:-1])
    split = [{issue for issue, _ in page} for page in pages]
    assert any(one & other for one, other in pairwise(split))
    counted = Counter(issue for page in pages for issue, _ in page)
    assert counted == {i["id"]: i["changelog"]["total"] for i in issues if i["changelog"]["total"]}
    statuses = [h for page in _bulk(jira, ids, 100, fieldIds=["status"]) for _, h in page]
    assert statuses
    assert all(any(item["fieldId"] == "status" for item in h["items"]) for h in statuses)


def test_times_of_bulk_histories_may_be_numbers(client: Start) -> None:
    jira = client()
    jira.served.control("epoch_changelogs")
    assert all(isinstance(h["created"], int) for page in _bulk(jira, ["ATLAS-3"], 100) for _, h in page)


def test_bulk_limits(client: Start) -> None:
    jira = client()
    assert jira.post("changelog/bulkfetch", issueIdsOrKeys=["1"] * 1001).status_code == 400
    assert jira.post("issue/bulkfetch", issueIdsOrKeys=["1"] * 101).status_code == 400
    page = jira.post("issue/bulkfetch", issueIdsOrKeys=["10003", "77", "10001"], fields=["summary"]).json()
    assert [i["id"] for i in page["issues"]] == ["10001", "10003"]
    assert page["issueErrors"] == []


def test_comments_are_cut_in_the_issue(client: Start) -> None:
    jira = client()
    for number in range(23):
        jira.served.control("add_comment", issue="ATLAS-1", text=f"Comment {number}")
    shown = jira.get("issue/ATLAS-1").json()["fields"]["comment"]
    assert (len(shown["comments"]), shown["total"]) == (20, 23)
    page = jira.get("issue/ATLAS-1/comment", startAt=20).json()
    assert (len(page["comments"]), page["total"]) == (3, 23)
    jira.served.control("delete_comment", comment=page["comments"][0]["id"])
    assert jira.get("issue/ATLAS-1/comment").json()["total"] == 22


def test_worklogs_are_listed_a_minute_late_and_deletions_by_id_only(client: Start) -> None:
    jira = client()
    jira.served.control("clock", freeze=True)
    entry = int(jira.served.control("add_worklog", issue="ATLAS-1", seconds=600)["id"])

    def listed(kind: str) -> list[int]:
        return [v["worklogId"] for v in jira.get(f"worklog/{kind}", since=0).json()["values"]]

    assert entry not in listed("updated")
    jira.served.control("clock", advance_seconds=61)
    assert entry in listed("updated")
    assert jira.post("worklog/list", ids=[entry]).json()[0]["timeSpentSeconds"] == 600
    jira.served.control("edit_worklog", issue="ATLAS-1", worklog=entry, seconds=1200)
    assert jira.post("worklog/list", ids=[entry]).json()[0]["timeSpentSeconds"] == 1200
    jira.served.control("delete_worklog", worklog=entry)
    jira.served.control("clock", advance_seconds=61)
    assert entry in listed("deleted")
    assert entry not in listed("updated")
    assert jira.post("worklog/list", ids=[entry]).json() == []


def test_many_worklogs_come_in_pages(client: Start) -> None:
    jira = client()
    world = jira.served.world
    at = world.clock.now() - 3_600_000
    ids = list(range(900_000, 902_500))
    world.store.add_worklogs((i, 10001, at + i // 2 - 450_000, {"id": str(i)}) for i in ids)
    url, listed = "worklog/updated?since=0", []
    while url:
        page = jira.get(url).json()
        assert len(page["values"]) <= 1000
        listed += [v["worklogId"] for v in page["values"]]
        url = page.get("nextPage", "").removeprefix(f"{jira.served.url}/rest/api/3/")
    assert page["lastPage"]
    assert len(listed) == len(set(listed))
    assert set(ids) <= set(listed)
