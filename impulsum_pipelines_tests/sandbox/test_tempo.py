"""The sandbox's Tempo: it answers as the vendor describes, has its limits, and has hours on the featured tickets."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import Any

import jsonschema
import orjson
import pytest
import requests

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sandbox.team import Team
from impulsum_pipelines.sandbox.tempo import limits
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.places import SHARED

SPEC = SHARED / "specs" / "tempo.json.gz"
NOW = "2026-11-01T12:00:00Z"
PLANS = {"from": "2000-01-01", "to": "2099-12-31"}


def ask(site: Running, path: str, body: Any = None, **query: Any) -> requests.Response:
    """Ask with the token."""
    return requests.request(
        "GET" if body is None else "POST",
        f"{site.env['TEMPO_API_URL']}{path}",
        params=query,
        json=body,
        headers={"Authorization": f"Bearer {site.env['TEMPO_API_TOKEN']}"},
        timeout=30,
    )


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raises Tempo's limit so far that no test meets it."""
    monkeypatch.setattr(limits, "PER_SECOND", 1_000)


def closed(schema: Any) -> Any:
    """The schema, changed so that a field without a description is an error."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items()}
    return {"additionalProperties": False, **found} if "properties" in found and "oneOf" not in found else found


def test_it_answers_as_described(sandbox: SandboxFactory, roomy: None) -> None:
    if not SPEC.exists():
        pytest.skip(f"the vendor's description {SPEC.name} is not in ../shared/specs")
    spec = orjson.loads(gzip.decompress(SPEC.read_bytes()))
    components = closed(spec["components"])
    site = sandbox(seed=1, issues=60, now=NOW)
    truth = site.control("tempo/truth")
    site.control("tempo/edit", worklog=min(map(int, truth["worklogs"])), seconds=60)
    site.control("tempo/end_membership", membership=min(map(int, truth["team_members"])))
    for path, method, query, body in (
        ("/worklogs", "get", {"updatedFrom": "2010-01-01T00:00:00Z", "limit": 5, "offset": 5}, None),
        ("/accounts", "get", {}, None),
        ("/teams", "get", {}, None),
        ("/plans", "get", PLANS, None),
        ("/team-memberships/search", "post", {}, {"teamIds": [int(team) for team in truth["teams"]]}),
        ("/workload-schemes", "get", {}, None),
        ("/workload-schemes/members/search", "post", {}, {"schemeIds": [1, 2], "limit": 5}),
        ("/papertrail/search", "post", {"limit": 3}, {"from": "2026-06-01T00:00:00Z"}),
        ("/papertrail/search", "post", {}, {"from": "2026-10-31T00:00:00Z", "action": ["Updated"]}),
    ):
        answer = ask(site, path, body, **query)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"], path
        responses = spec["paths"][f"/4{path}"][method]["responses"]
        schema = responses["200"]["content"]["application/json"]["schema"]
        jsonschema.Draft7Validator({**schema, "components": components}).validate(answer.json())


def test_links_lead_back_to_the_sandbox_and_pages_are_complete(sandbox: SandboxFactory, roomy: None) -> None:
    site = sandbox(seed=1, issues=60, now=NOW)
    found, link = [], "/worklogs?updatedFrom=2010-01-01&limit=20"
    while link:
        page = ask(site, link).json()
        assert page["metadata"]["count"] == len(page["results"]) <= page["metadata"]["limit"] == 20
        found += [worklog["tempoWorklogId"] for worklog in page["results"]]
        following = page["metadata"].get("next", "")
        assert following.startswith(site.env["TEMPO_API_URL"]) or not following
        link = following.removeprefix(site.env["TEMPO_API_URL"])
    assert sorted(map(str, found)) == sorted(site.control("tempo/truth")["worklogs"])
    assert "total" not in page["metadata"]


@pytest.mark.parametrize(
    ("path", "body", "query", "says"),
    [
        ("/worklogs", None, {"updatedFrom": "2026-10-01T00:00:00.000Z"}, "valid on the format"),
        ("/worklogs", None, {"updatedFrom": "2026-10-01", "from": "2026-10-01"}, "must not be combined"),
        ("/worklogs", None, {"limit": 0}, "greater than 0"),
        ("/plans", None, {"updatedFrom": "2026-10-01"}, "are required"),
        ("/papertrail/search", {"from": "2026-05-01T00:00:00Z"}, {}, "last 180 days"),
    ],
)
def test_what_tempo_refuses(
    sandbox: SandboxFactory, roomy: None, path: str, body: Any, query: dict[str, Any], says: str
) -> None:
    answer = ask(sandbox(seed=1, issues=60, now=NOW), path, body, **query)
    assert answer.status_code == 400
    assert says in answer.json()["errors"][0]["message"]


def test_a_sixth_request_within_a_second_is_refused(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=60, now=NOW)
    site.control("tempo/limits")
    headers = {"Authorization": f"Bearer {site.env['TEMPO_API_TOKEN']}"}
    with requests.Session() as session:
        answers = [session.get(f"{site.env['TEMPO_API_URL']}/teams", headers=headers, timeout=30) for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].headers["Retry-After"] == "1"
    assert site.control("tempo/limits") == {"refused": len(refused)}


def test_requests_without_the_token_are_refused(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=60, now=NOW)
    assert requests.get(f"{site.env['TEMPO_API_URL']}/teams", timeout=30).status_code == 401


@pytest.mark.parametrize("seed", range(1, 6))
def test_featured_tickets_have_hours_that_name_them(sandbox: SandboxFactory, seed: int) -> None:
    site = sandbox(seed=seed, issues=60, now=NOW)
    truth = site.control("tempo/truth")
    for ticket in Team(site.world).featured:
        hours = [w for w in truth["worklogs"].values() if w["issue_id"] == str(ticket.id)]
        assert any(ticket.key in w["description"] for w in hours)
        assert any(plan["issue_id"] == str(ticket.id) for plan in truth["plans"].values())
    people = {person.jira_id for person in Team(site.world).people}
    assert {w["author_id"] for w in truth["worklogs"].values()} <= people


def test_a_seed_gives_the_same_history(sandbox: SandboxFactory) -> None:
    truth = sandbox(seed=3, issues=200, now=NOW).control("tempo/truth")
    assert truth == sandbox(seed=3, issues=200, now=NOW).control("tempo/truth")
    assert any(w["started_at"][:10] != w["start_date"] for w in truth["worklogs"].values())


@pytest.mark.parametrize("seed", range(1, 6))
def test_most_issues_have_the_same_hours_as_in_jira_and_a_few_differ(sandbox: SandboxFactory, seed: int) -> None:
    site = sandbox(seed=seed, issues=120, now=NOW)
    ours, theirs = Counter[str](), Counter[str]()
    for worklog in site.control("tempo/truth")["worklogs"].values():
        ours[worklog["issue_id"]] += worklog["time_spent_seconds"]
    for (content,) in site.world.store.db.execute("SELECT document FROM worklogs"):
        worklog = orjson.loads(content)
        theirs[worklog["issueId"]] += worklog["timeSpentSeconds"]
    issues = ours.keys() | theirs.keys()
    agreeing = {issue for issue in issues if ours[issue] == theirs[issue]}
    assert 0.8 * len(issues) <= len(agreeing) < len(issues)
    assert {issue for issue in issues if ours[issue] > theirs[issue]}
    assert theirs.keys() - ours.keys()
    for issue_id, seconds in theirs.items():
        assert site.world.store.issue(int(issue_id)).fields["timespent"] == seconds
