"""Limited visibility: boards without sprints or without permission, issues and comments that become visible."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.jira.support import alive, held, one, sync

NOW = "2026-11-01T12:00:00Z"


def test_a_board_without_sprints_stops_nothing(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=41, issues=20, projects=2, now=NOW)
    site.control("board_sprints", board=2, enabled=False)
    sync()
    assert one("select status from raw.syncs") == "done"
    of_first = {str(s["id"]) for s in site.control("sprints")["sprints"] if s["board_id"] == 1}
    assert of_first <= alive("sprints")
    assert alive("boards") == {"1", "2"}


@pytest.mark.parametrize("status", [403, pytest.param(404, marks=pytest.mark.exhaustive)])
def test_a_board_whose_configuration_is_refused_keeps_the_stored_one(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    site = sandbox(seed=42, issues=20, projects=2, now=NOW)
    refused = {"kind": "status", "status": status, "path": "board/1/configuration"}
    site.control("fault", **refused)
    sync()
    assert held("select id, estimation_type from raw.boards order by id") == [("1", None), ("2", "field")]
    assert one("select count(*) from raw.sprints where board_id = '1'") > 0
    sync()
    columns = "select id, estimation_field_name, columns::varchar from raw.boards order by id"
    before = held(columns)
    assert before[0][1] == "Story Points"
    site.control("fault", **refused)
    sync()
    assert held(columns) == before


def ids_of(site: Running, *projects: str) -> set[str]:
    ids = site.control("ids")
    return {issue_id for project in projects for issue_id in ids[project]}


def test_a_project_whose_key_changes_is_still_pulled(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    site = sandbox(seed=43, issues=20, projects=2, now=NOW)
    monkeypatch.setenv("JIRA_PROJECTS", "ATLAS,BEAM")
    sync()
    site.control("clock", advance_seconds=3600)
    site.control("rename_project", project="ATLAS", key="NORTH")
    issue_id, *_ = ids_of(site, "NORTH")
    site.control("edit_issue", issue=issue_id, summary="edited under the new key")
    for _ in range(2):
        site.control("clock", advance_seconds=3600)
        sync()
    assert one("select summary from raw.issues where id = ?", issue_id) == "edited under the new key"
    keys = dict(held("select split_part(key, '-', 1), count(*) from raw.issues group by 1"))
    assert keys == {"NORTH": len(ids_of(site, "NORTH")), "BEAM": len(ids_of(site, "BEAM"))}
    site.requests(reset=True)
    sync()
    assert sum(site.requests().values()) <= 10, "a project that was read under its new key is not read again"


def test_the_next_pull_reads_a_project_completely_that_was_named_later(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = sandbox(seed=44, issues=20, projects=2, now=NOW)
    monkeypatch.setenv("JIRA_PROJECTS", "ATLAS")
    site.control("add_worklog", issue=min(ids_of(site, "BEAM")))
    site.control("clock", advance_seconds=86_400)
    sync()
    assert alive("issues") == ids_of(site, "ATLAS")
    monkeypatch.setenv("JIRA_PROJECTS", "ATLAS,BEAM")
    site.control("clock", advance_seconds=86_400)
    sync()
    assert alive("issues") == ids_of(site, "ATLAS", "BEAM")
    assert one("select count(*) from raw.worklogs where issue_id = ?", min(ids_of(site, "BEAM"))) > 0


def test_an_issue_that_a_move_makes_visible_comes_with_its_old_worklogs(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = sandbox(seed=45, issues=20, projects=2, now=NOW)
    monkeypatch.setenv("JIRA_PROJECTS", "BEAM")
    issue_id = min(ids_of(site, "ATLAS"))
    worklog = site.control("add_worklog", issue=issue_id)["id"]
    sync()
    site.control("clock", advance_seconds=86_400)
    sync()
    assert worklog not in alive("worklogs")
    site.control("move_issue", issue=issue_id, project="BEAM")
    for expected in (1, 0):
        site.control("clock", advance_seconds=60)
        site.requests(reset=True)
        sync()
        assert worklog in alive("worklogs")
        assert site.requests().get(f"GET /rest/api/3/issue/{issue_id}/worklog", 0) == expected


def test_a_comment_that_becomes_restricted_is_unreachable_and_the_others_are_all_read(sandbox: SandboxFactory) -> None:
    """The first twenty come within the issue. Jira also counts comments that it does not show."""
    site = sandbox(seed=46, issues=20, projects=2, now=NOW)
    sync()
    issue_id = min(ids_of(site, "ATLAS"))
    few, many = (
        [site.control("add_comment", issue=i)["id"] for _ in range(n)]
        for i, n in ((issue_id, 3), (one("select max(id) from raw.issues"), 25))
    )
    site.control("clock", advance_seconds=60)
    sync()
    assert {*few, *many} <= alive("comments")
    site.control("restrict_comment", comment=few[0])
    site.control("restrict_comment", comment=many[0])
    site.control("clock", advance_seconds=60)
    sync()
    assert {*few[1:], *many[1:]} <= alive("comments")
    dead = "select id, deleted_at is null from raw.comments where unreachable_since is not null order by id::bigint"
    assert held(dead) == [(few[0], True), (many[0], True)]
    site.control("delete_comment", comment=few[0])
    site.control("delete_comment", comment=few[1])
    site.control("clock", advance_seconds=60)
    sync()
    assert one("select deleted_at is not null from raw.comments where id = ?", few[1])


def test_issues_that_come_without_their_field_of_comments_keep_the_stored_ones(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=46, issues=20, projects=2, now=NOW)
    sync()
    before = alive("comments")
    assert before
    site.control("remove_field", field="comment")
    site.control("bulk_touch", count=20)
    site.control("clock", advance_seconds=60)
    sync()
    assert alive("comments") == before
