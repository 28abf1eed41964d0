"""Every answer of the sandbox's GitHub fits the vendor's published description."""

from __future__ import annotations

import gzip
from typing import Any

import jsonschema
import orjson
import pytest
import requests

from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.places import SHARED

_SPEC = SHARED / "specs" / "github_rest.json.gz"
_REPOSITORY = "/repos/{owner}/{repo}"
#: The path asked for, and the path that describes the answer; ``{x}`` is filled in from the history.
_GETS = [
    ("/repos/harbour/platform", _REPOSITORY),
    ("/orgs/harbour/repos", "/orgs/{org}/repos"),
    *(
        (f"/repos/harbour/platform{path}", f"{_REPOSITORY}{described}")
        for path, described in (
            ("/pulls?state=all&per_page=100", "/pulls"),
            ("/pulls/{merged}", "/pulls/{pull_number}"),
            ("/pulls/{open}", "/pulls/{pull_number}"),
            ("/pulls/{merged}/reviews", "/pulls/{pull_number}/reviews"),
            ("/pulls/{merged}/commits", "/pulls/{pull_number}/commits"),
            ("/pulls/comments", "/pulls/comments"),
            ("/issues/comments", "/issues/comments"),
            ("/issues?state=all&per_page=100", "/issues"),
            ("/issues/{open}", "/issues/{issue_number}"),
            ("/commits", "/commits"),
            ("/compare/{first}...main", "/compare/{basehead}"),
            ("/releases", "/releases"),
            ("/deployments", "/deployments"),
            ("/deployments/{deployment}/statuses", "/deployments/{deployment_id}/statuses"),
            ("/actions/runs", "/actions/runs"),
            ("/actions/runs/{run}", "/actions/runs/{run_id}"),
        )
    ),
]


def _nullable(schema: Any) -> Any:
    """OpenAPI 3.0's ``nullable``, which JSON Schema does not know, as a choice of two."""
    if isinstance(schema, list):
        return [_nullable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _nullable(part) for name, part in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    if not _SPEC.exists():
        pytest.skip(f"the vendor's description {_SPEC.name} is not in ../shared/specs")
    return orjson.loads(gzip.decompress(_SPEC.read_bytes()))


@pytest.fixture(scope="module")
def components(spec: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": {name: _nullable(schema) for name, schema in spec["components"]["schemas"].items()}}


def test_every_answer_is_as_described(
    sandbox: SandboxFactory, spec: dict[str, Any], components: dict[str, Any]
) -> None:
    site = sandbox(seed=1, issues=90)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {site.env['GITHUB_TOKEN']}"

    def get(path: str) -> Any:
        answer = session.get(site.env["GITHUB_API_URL"] + path, timeout=30)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    site.control("github/open_pull_request", title="open")
    home = "/repos/harbour/platform"
    pulls = get(f"{home}/pulls?state=all&per_page=100")
    reviewed = {int(url.rpartition("/")[2]) for url in (r["pull_request_url"] for r in get(f"{home}/pulls/comments"))}
    values = {
        "merged": next(pull["number"] for pull in pulls if pull["merged_at"] and pull["number"] in reviewed),
        "open": next(pull["number"] for pull in pulls if pull["state"] == "open"),
        "first": get(f"{home}/commits?per_page=100")[-1]["sha"],
        "deployment": get(f"{home}/deployments")[0]["id"],
        "run": get(f"{home}/actions/runs")["workflow_runs"][0]["id"],
    }
    for path, described in _GETS:
        answer = get(path.format(**values))
        assert answer, path
        response = spec["paths"][described]["get"]["responses"]["200"]
        schema = _nullable(response["content"]["application/json"]["schema"])
        jsonschema.Draft7Validator({**schema, "components": components}).validate(answer)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/repos/harbour/nothing", 404), ("/repos/harbour/platform/pulls/99999", 404), ("/orgs/nobody/repos", 404)],
)
def test_what_does_not_exist_is_refused_as_described(
    sandbox: SandboxFactory, spec: dict[str, Any], components: dict[str, Any], path: str, status: int
) -> None:
    site = sandbox(issues=12)
    token = {"Authorization": f"Bearer {site.env['GITHUB_TOKEN']}"}
    answer = requests.get(site.env["GITHUB_API_URL"] + path, headers=token, timeout=30)
    assert answer.status_code == status
    schema = {"$ref": "#/components/schemas/basic-error", "components": components}
    jsonschema.Draft7Validator(schema).validate(answer.json())
    assert spec["components"]["schemas"]["basic-error"]
