"""Durations of pull requests, and hours by issue and person, in hand-made cases."""

from __future__ import annotations

import pytest

from impulsum_pipelines_tests.marts.conftest import Query

pytestmark = pytest.mark.xdist_group("marts")


def test_a_pull_request_from_its_first_commit_to_production(rows: Query) -> None:
    assert rows(
        """select coding_hours, pickup_hours, review_hours, deploy_hours, cycle_hours, lead_hours,
                  pickup_business_hours, change_requests, issue_keys
           from velocity.pull_request_cycle_times where pull_request_id = '91'"""
    ) == [
        # Monday 12:00, not the merged base of Sunday, to Tuesday 9:00
        # to the comment at 13:00, not those of the bot or the author
        # to the merge on Wednesday 15:00
        # to the success on Thursday 15:00: neither staging, nor the rollback, nor the failure
        # working hours are 9 to 17 in Berlin, an hour ahead
        (21.0, 4.0, 26.0, 24.0, 51.0, 75.0, 4.0, 1, ["APP-1", "APP-2"])
    ]


def test_nobody_waits_for_a_review_of_a_draft(rows: Query) -> None:
    assert rows(
        "select is_draft, first_review_at, pickup_hours from velocity.pull_request_cycle_times "
        "where pull_request_id = '92'"
    ) == [(True, None, None)]


def test_bots_are_marked_and_their_comments_are_no_reviews(rows: Query) -> None:
    assert rows("select pull_request_id from velocity.pull_request_cycle_times where is_bot") == [("93",)]
    assert rows(
        "select first_review_at, pickup_hours, cycle_hours, deploy_hours is not null "
        "from velocity.pull_request_cycle_times where pull_request_id = '94'"
    ) == [(None, None, 3.0, True)]


def test_deleted_pull_requests_are_kept_but_not_timed(rows: Query) -> None:
    assert rows("select is_deleted from core.pull_requests where pull_request_id = '95'") == [(True,)]
    assert rows("select * from velocity.pull_request_cycle_times where pull_request_id = '95'") == []


def test_a_deployment_is_its_newest_status(rows: Query) -> None:
    assert rows(
        "select deployment_id, state, is_production, hour(succeeded_at) from core.deployments order by all"
    ) == [
        ("d1", "success", False, 17),
        ("d2", "success", True, 8),
        ("d3", "inactive", True, 15),
    ]


def test_hours_of_both_tools_are_shown_side_by_side_and_not_added(rows: Query) -> None:
    assert rows(
        """select issue_key, worker_id, person_name, hours, tempo_hours, jira_hours, difference_hours, entries
           from velocity.hours_by_issue_and_person order by all"""
    ) == [
        ("APP-1", "jira:j-ann", "Ann", 2.5, 2.5, 2.0, 0.5, 2),
        ("APP-1", "tempo:j-ghost", "tempo:j-ghost", 0.25, 0.25, 0.0, 0.25, 1),
        ("APP-2", "jira:j-sam", "Sam", 0.0, 0.0, 1.0, -1.0, 0),
    ]
    assert rows("select sum(time_spent_seconds) from core.worklogs where is_leading and not is_deleted") == [(9900,)]


def test_hours_on_a_deleted_issue_are_kept_but_not_counted(rows: Query) -> None:
    assert rows("select is_deleted from core.worklogs where tool = 'jira' and worklog_id = '503'") == [(True,)]
    assert rows("select * from velocity.hours_by_issue_and_person where issue_key = 'APP-13'") == []


def test_the_day_of_a_worklog_is_the_local_date(rows: Query) -> None:
    # 23:30 UTC on the fourth is the fifth in Berlin; Tempo's worklog has its own date
    assert rows(
        "select worklog_id, work_date::varchar from core.worklogs where worklog_id in ('501', '601') order by all"
    ) == [
        ("501", "2026-03-05"),
        ("601", "2026-03-04"),
    ]
