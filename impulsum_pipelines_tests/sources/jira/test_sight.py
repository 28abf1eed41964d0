"""What the account sees in part: boards without sprints or closed to it, issues and comments that come into sight."""

from __future__ import annotations

import pytest

from impulsum_pipelines_tests.sources.jira.support import alive, held, one, sync

NOW = "2026-11-01T12:00:00Z"


def test_a_board_without_sprints_stops_nothing(sandbox):
    site = sandbox(seed=41, issues=60, now=NOW)
    site.control("board_sprints", board=2, enabled=False)
    sync()
    assert one("select status from raw.syncs") == "done"
    of_first = {str(s["id"]) for s in site.control("sprints")["sprints"] if s["board_id"] == 1}
    assert of_first <= alive("sprints")
    assert alive("boards") == {"1", "2"}


@pytest.mark.parametrize("status", [403, 404])
def test_a_board_whose_configuration_is_refused_stays_as_it_was_held(sandbox, monkeypatch, status):
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    site = sandbox(seed=42, issues=60, now=NOW)
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
