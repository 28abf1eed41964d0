"""Where an issue is mentioned, by its present or a former key: one row per place."""

from __future__ import annotations

import pytest

from impulsum_pipelines_tests.marts.conftest import Query

pytestmark = pytest.mark.xdist_group("marts")


def _links(rows: Query, where: str) -> list[tuple[object, ...]]:
    return rows(
        f"select entity, entity_id, found_in, issue_key, mentions from core.work_links where {where} order by all"
    )


def test_code_names_issues_in_branch_title_description_commit_and_comment(rows: Query) -> None:
    assert _links(rows, "tool = 'github'") == [
        ("commits", "7:c1", "commit", "APP-1", 3),
        ("commits", "7:c1", "commit", "APP-2", 1),
        ("issue_comments", "i1", "comment", "APP-2", 1),
        # written in lower case, followed by an underscore
        ("pull_requests", "91", "branch", "APP-1", 1),
        ("pull_requests", "91", "description", "APP-2", 1),
        ("pull_requests", "92", "title", "APP-12", 1),
        # the keys before and after the move belong to one issue
        ("pull_requests", "93", "description", "APP-3", 2),
    ]


def test_a_comment_is_part_of_its_pull_request(rows: Query) -> None:
    assert rows("select part_of_id, person_id from core.work_links where entity_id = 'i1'") == [("91", "jira:j-olga")]


def test_a_moved_issue_is_found_by_its_old_key(rows: Query) -> None:
    assert rows("select mentioned_key, issue_id from core.work_links where entity_id = '93'") == [("APP-3", "3")]


def test_messages_meetings_pages_and_hours_name_issues(rows: Query) -> None:
    assert _links(rows, "tool <> 'github' and not is_private") == [
        ("action_items", "t1:0", "action item", "APP-12", 1),
        ("blocks", "block-1", "block", "APP-12", 1),
        ("messages", "C1:1.1", "message", "APP-1", 1),
        ("messages", "C1:1.1", "message", "APP-2", 2),
        ("pages", "11111111-1111-1111-1111-111111111111", "property", "APP-2", 1),
        ("pages", "11111111-1111-1111-1111-111111111111", "title", "APP-1", 1),
        ("sentences", "t1:0", "sentence", "APP-12", 1),
        ("transcripts", "t1", "summary", "APP-1", 1),
        ("transcripts", "t1", "title", "APP-1", 1),
        ("worklogs", "501", "issue", "APP-1", 1),
        ("worklogs", "502", "issue", "APP-2", 1),
        ("worklogs", "503", "issue", "APP-13", 1),
        ("worklogs", "601", "issue", "APP-1", 1),
        ("worklogs", "602", "issue", "APP-1", 1),
        ("worklogs", "603", "issue", "APP-1", 1),
    ]


def test_a_sentence_has_its_own_time_and_a_speaker_from_the_mapping_file(rows: Query) -> None:
    assert rows(
        "select strftime(happened_at, '%H:%M:%S.%g'), person_id, part_of_id from core.work_links "
        "where entity = 'sentences' and not is_private"
    ) == [("09:01:00.500", "jira:j-olga", "t1")]


def test_private_places_are_marked(rows: Query) -> None:
    assert _links(rows, "is_private") == [
        ("messages", "C2:2.1", "message", "APP-1", 1),
        ("sentences", "t2:0", "sentence", "APP-2", 1),
    ]
