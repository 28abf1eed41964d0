"""A real export, served as a Cloud site."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.sandbox.jira.history.export import read_export
from impulsum_pipelines.sandbox.server import running_sandbox
from impulsum_pipelines_tests.places import SHARED
from impulsum_pipelines_tests.sandbox.conftest import Client

_EXPORT = SHARED / "data" / "jira_titanium" / "issues.jsonl.gz"


def _first_lines(path: Path, wanted: Callable[[dict[str, Any]], bool], most: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with gzip.open(path) as lines:
        for line in lines:
            issue = orjson.loads(line)
            if wanted(issue["fields"]):
                found.append(issue)
            if len(found) == most:
                break
    return found


def test_issues_of_an_export_are_served_as_cloud_gives_them(tmp_path: Path) -> None:
    if not _EXPORT.exists():
        pytest.skip("the export is not in ../shared/data")
    chosen = _first_lines(_EXPORT, lambda fields: bool(fields.get("closedSprints")), 40)
    small = tmp_path / "issues.jsonl"
    small.write_bytes(b"\n".join(orjson.dumps(issue) for issue in chosen))
    with running_sandbox(read_export(small)) as served:
        jira = Client(served)
        found = {i["id"]: i for i in jira.search("project = TIMOB ORDER BY id", fields=["*all"], expand="changelog")}
        assert found.keys() == {issue["id"] for issue in chosen}
        for issue in chosen:
            given, served_fields = issue["fields"], found[issue["id"]]["fields"]
            sprints = {s["id"] for s in given["closedSprints"]} | {s["id"] for s in [given.get("sprint")] if s}
            assert {s["id"] for s in served_fields["customfield_10020"]} == sprints
            assert served_fields["comment"]["total"] == given["comment"]["total"]
            assert served_fields["reporter"]["accountId"] == given["reporter"]["name"]
            assert served_fields["updated"] == given["updated"]
            assert found[issue["id"]]["changelog"]["total"] == 0
        boards = {s["originBoardId"] for i in chosen for s in i["fields"]["closedSprints"] if "originBoardId" in s}
        assert boards <= {b["id"] for b in jira.get("/rest/agile/1.0/board").json()["values"]}


def test_a_line_that_is_no_issue_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "issues.jsonl"
    broken.write_text('{"id": "1"}\n')
    with pytest.raises(ImpulsumError, match="line 1"):
        read_export(broken)
    with pytest.raises(ImpulsumError, match="cannot be read"):
        read_export(tmp_path / "nowhere.jsonl")
