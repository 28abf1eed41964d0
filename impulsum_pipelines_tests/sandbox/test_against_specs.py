"""Every answer of the sandbox's Jira fits the vendor's published description."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import jsonschema
import orjson
import pytest

from impulsum_pipelines_tests.places import SHARED
from impulsum_pipelines_tests.sandbox.conftest import Client

_SPECS = SHARED / "specs"
_GETS: list[tuple[str, dict[str, Any], str | None]] = [
    ("/search/jql", {"jql": "project = ATLAS", "fields": "*all", "expand": "changelog"}, "/search/jql"),
    ("/issue/10002", {"expand": "changelog"}, None),
    ("/issue/10002/changelog", {}, "/issue/{issueIdOrKey}/changelog"),
    ("/issue/10002/comment", {}, "/issue/{issueIdOrKey}/comment"),
    ("/issue/10002/worklog", {}, "/issue/{issueIdOrKey}/worklog"),
    ("/worklog/updated", {"since": 0}, "/worklog/updated"),
    ("/worklog/deleted", {"since": 0}, "/worklog/deleted"),
    ("/project/search", {"expand": "insight"}, "/project/search"),
    ("/project/ATLAS/version", {}, "/project/{projectIdOrKey}/version"),
    ("/project/ATLAS/versions", {}, "/project/{projectIdOrKey}/versions"),
    ("/field", {}, "/field"),
    ("/status", {}, "/status"),
    ("/users/search", {}, "/users/search"),
    ("/myself", {}, "/myself"),
    ("/serverInfo", {}, "/serverInfo"),
]
_POSTS: list[tuple[str, dict[str, Any]]] = [
    ("/search/jql", {"jql": "project = ATLAS", "fields": ["*all"], "expand": "changelog", "maxResults": 7}),
    ("/search/approximate-count", {"jql": "project = ATLAS"}),
    ("/issue/bulkfetch", {"issueIdsOrKeys": ["10001", "10002", "NO-1"], "expand": ["changelog"]}),
    ("/changelog/bulkfetch", {"issueIdsOrKeys": ["10002", "10003"], "maxResults": 3}),
    ("/worklog/list", {"ids": [30001, 30002]}),
]


def _spec(name: str) -> dict[str, Any]:
    path = _SPECS / f"{name}.json.gz"
    if not path.exists():
        pytest.skip(f"the vendor's description {path.name} is not in ../shared/specs")
    return orjson.loads(gzip.decompress(path.read_bytes()))


def _without_nulls(value: Any) -> Any:
    """Jira writes null where its description means that a value may be missing."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


def _check(spec: dict[str, Any], schema: dict[str, Any], answer: Any) -> None:
    complete = {**schema, "components": spec["components"]}
    jsonschema.Draft7Validator(complete).validate(_without_nulls(answer))


def _schema(spec: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    return spec["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]


def test_the_platform_answers_as_described(client: Callable[..., Client]) -> None:
    spec, jira = _spec("jira_platform_v3"), client(issues=90)
    for path, params, described in _GETS:
        answer = jira.get(f"/rest/api/3{path}", **params)
        schema = {"$ref": "#/components/schemas/IssueBean"}
        _check(spec, _schema(spec, f"/rest/api/3{described}", "get") if described else schema, answer.json())
    for path, body in _POSTS:
        answer = jira.post(f"/rest/api/3{path}", **body)
        assert answer.status_code == 200, answer.text
        _check(spec, _schema(spec, f"/rest/api/3{path}", "post"), answer.json())


def test_boards_answer_as_described(client: Callable[..., Client]) -> None:
    spec, jira = _spec("jira_agile"), client(issues=90)
    base = "/rest/agile/1.0/board"
    _check(spec, _schema(spec, base, "get"), jira.get(base).json())
    for board in jira.get(base).json()["values"]:
        configuration = jira.get(f"{base}/{board['id']}/configuration").json()
        _check(spec, _schema(spec, f"{base}/{{boardId}}/configuration", "get"), configuration)
