"""The control door: edits of a site, credentials and permissions, and faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from impulsum_pipelines_tests.sandbox.conftest import Client

Start = Callable[..., Client]


def test_an_edit_bumps_updated_and_leaves_a_true_history(client: Start) -> None:
    jira = client()
    before = jira.get("issue/ATLAS-2").json()["fields"]
    jira.served.control("transition", issue="ATLAS-2", status="Cancelled")
    jira.served.control("estimate", issue="ATLAS-2", value=21)
    after = jira.get("issue/ATLAS-2", expand="changelog").json()
    assert after["fields"]["updated"] > before["updated"]
    estimated, moved = after["changelog"]["histories"][:2]
    field = estimated["items"][0]
    assert (field["field"], field["from"], field["to"], field["toString"]) == ("Story Points", None, None, "21")
    assert moved["items"][0]["fromString"] == before["status"]["name"]
    assert after["fields"]["status"]["name"] == moved["items"][0]["toString"] == "Cancelled"
    assert after["fields"]["resolutiondate"]


def test_a_move_keeps_the_id_and_changes_the_key(client: Start) -> None:
    jira = client()
    old = jira.get("issue/ATLAS-2").json()
    new = jira.served.control("move_issue", issue="ATLAS-2", project="BEAM")
    assert new["key"].startswith("BEAM-")
    assert jira.get("issue/ATLAS-2").json()["key"] == new["key"]
    assert jira.search(f"id = {old['id']}", fields=["key"])[0]["key"] == new["key"]


def test_a_deleted_issue_is_gone_without_a_trace(client: Start) -> None:
    jira = client()
    total = jira.post("search/approximate-count", jql="project = ATLAS").json()["count"]
    jira.served.control("delete_issue", issue="ATLAS-2")
    assert jira.get("issue/ATLAS-2").status_code == 404
    assert jira.post("search/approximate-count", jql="project = ATLAS").json()["count"] == total - 1
    assert "ATLAS-2" not in jira.keys("project = ATLAS")


def test_a_hidden_project_takes_its_issues_and_board_with_it(client: Start) -> None:
    jira = client()
    jira.served.control("hide_project", project="BEAM")
    assert [p["key"] for p in jira.get("project/search").json()["values"]] == ["ATLAS"]
    assert all(key.startswith("ATLAS") for key in jira.keys("status = Done"))
    assert "does not exist" in jira.refused("project = BEAM")
    assert jira.get("issue/BEAM-1").status_code == 404
    assert len(jira.get("/rest/agile/1.0/board").json()["values"]) == 1
    jira.served.control("hide_project", project="BEAM", hidden=False)
    assert jira.get("issue/BEAM-1").status_code == 200


def test_links_show_at_both_ends(client: Start) -> None:
    jira = client()
    link = jira.served.control("add_link", source="ATLAS-1", target="BEAM-1")["id"]

    def links(key: str) -> list[str]:
        return [x["id"] for x in jira.get(f"issue/{key}").json()["fields"]["issuelinks"]]

    assert link in links("ATLAS-1")
    assert link in links("BEAM-1")
    jira.served.control("remove_link", issue="BEAM-1", link=link)
    assert link not in links("ATLAS-1")


def test_fields_are_renamed_and_removed(client: Start) -> None:
    jira = client()
    jira.served.control("rename_field", field="customfield_10028", name="Size")
    assert {f["id"]: f["name"] for f in jira.get("field").json()}["customfield_10028"] == "Size"
    jira.served.control("remove_field", field="customfield_10028")
    assert "customfield_10028" not in {f["id"] for f in jira.get("field").json()}
    assert "customfield_10028" not in jira.get("issue/ATLAS-2").json()["fields"]


def test_a_sprint_is_planned_started_completed_reopened_and_deleted(client: Start) -> None:
    jira = client()
    control = jira.served.control
    one, two = (control("create_sprint", board=1, name=name)["id"] for name in ("One", "Two"))
    control("start_sprint", sprint=one)
    issue = control("create_issue", project="ATLAS", sprint=one, estimate=3)["key"]
    assert control("complete_sprint", sprint=one, carry_to=two) == {"carried": 1}
    shown = jira.get(f"issue/{issue}").json()["fields"]["customfield_10020"]
    assert [(s["id"], s["state"]) for s in shown] == [(one, "closed"), (two, "future")]
    control("reopen_sprint", sprint=one)
    control("rename_sprint", sprint=one, name="First")
    sprint = jira.get(f"/rest/agile/1.0/sprint/{one}").json()
    assert (sprint["state"], sprint["name"], "completeDate" in sprint) == ("active", "First", False)
    control("delete_sprint", sprint=one)
    assert jira.get(f"/rest/agile/1.0/sprint/{one}").status_code == 404
    left = jira.get(f"issue/{issue}", expand="changelog").json()
    assert [s["id"] for s in left["fields"]["customfield_10020"]] == [two]
    assert left["changelog"]["histories"][0]["items"][0]["to"] == str(two)
    listed = jira.get("/rest/agile/1.0/board/1/sprint", state="future").json()["values"]
    assert two in [s["id"] for s in listed]


def test_a_board_lists_sprints_that_originate_elsewhere_too(client: Start) -> None:
    listed = client().get("/rest/agile/1.0/board/2/sprint").json()["values"]
    assert {s["originBoardId"] for s in listed} == {1, 2}


def test_requests_need_a_token_and_permissions(client: Start) -> None:
    jira = client()
    assert requests.get(f"{jira.served.url}/rest/api/3/myself", timeout=30).status_code == 401
    jira.served.control("deny", permission="boards")
    assert jira.get("/rest/agile/1.0/board").status_code == 403
    jira.served.control("revoke_token")
    refused = jira.get("myself")
    assert (refused.status_code, refused.headers["X-Seraph-LoginReason"]) == (401, "AUTHENTICATED_FAILED")


def test_the_door_names_what_is_wrong(client: Start) -> None:
    jira = client()
    for verb, arguments in (("dance", {}), ("delete_issue", {"issue": "NO-1"}), ("fault", {"kind": "flood"})):
        with pytest.raises(ValueError, match="there"):
            jira.served.control(verb, **arguments)


def test_limits_and_outages(client: Start) -> None:
    jira = client()
    jira.served.control("fault", kind="status", status=429, retry_after=3, reason="jira-burst-based", path="/field")
    jira.served.control("fault", kind="status", status=503)
    assert jira.get("status").status_code == 503
    limited = jira.get("field")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "3")
    assert limited.headers["RateLimit-Reason"] == "jira-burst-based"
    assert jira.get("field").status_code == 200
    jira.served.control("fault", kind="reset")
    with pytest.raises(requests.ConnectionError):
        jira.get("field")
    jira.served.control("fault", kind="truncate")
    with pytest.raises(requests.JSONDecodeError):
        jira.get("field").json()
    jira.served.control("fault", kind="slow_body", seconds=0.3)
    with pytest.raises(requests.ConnectionError):
        jira.session.get(f"{jira.served.url}/rest/api/3/field", timeout=0.1)


def test_faults_of_paging(client: Start) -> None:
    jira = client()
    query: dict[str, Any] = {"jql": "project = ATLAS ORDER BY id", "maxResults": 10}
    everything = [i["id"] for i in jira.search(**query)]

    def page(token: str | None = None) -> dict[str, object]:
        return jira.post("search/jql", **query, **({"nextPageToken": token} if token else {})).json()

    jira.served.control("fault", kind="repeat_token", count=2)
    first = page()
    assert page(str(first["nextPageToken"]))["nextPageToken"] == first["nextPageToken"]
    jira.served.control("fault", kind="end_early", after=1)
    second = page(str(page()["nextPageToken"]))
    assert second["isLast"]
    assert "nextPageToken" not in second
    jira.served.control("fault", kind="empty_page", after=1)
    assert [i["id"] for i in jira.search(**query)] == everything


def test_requests_are_counted(client: Start) -> None:
    jira = client()
    jira.get("field")
    jira.get("field")
    assert jira.served.requests(reset=True) == {"GET /rest/api/3/field": 2}
    assert jira.served.requests() == {}
