"""risk.signals of a small firm: each risk with its start, its score and its evidence; and nothing else."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from impulsum_pipelines_tests.marts.risk.world import NOW, ny

pytestmark = pytest.mark.xdist_group("velocity")  # one dbt process serves both

Risks = dict[str, dict[str, Any]]

#: signal -> (value, score, severity, first seen, closed)
EXPECTED: dict[str, tuple[float, float, str, datetime, datetime | None]] = {
    # flagged seven working hours before the evening; nobody has planned it
    "blocked:APP-1": (2, 45, "P3", ny(26, 15), None),
    "blocked:APP-2": (32, 100, "P1", ny(23), None),
    "blocked:APP-3": (16, 100, "P1", ny(25), None),
    "blocked:APP-5": (11, 50, "P3", ny(23), ny(24, 12)),
    "blocked:APP-7": (16, 50, "P3", ny(25), None),
    "blocked:APP-8": (8, 60, "P2", ny(16), ny(17)),
    "blocked:APP-9": (5, 50, "P3", ny(26, 12), None),
    "blocked:APP-10": (8, 50, "P3", ny(23), ny(24)),
    "blocked:APP-13": (1, 42.5, "P3", ny(26, 16), None),
    # due until midnight in New York
    "overdue:APP-20": (1, 40, "P3", ny(26, 0), None),
    "overdue:APP-21": (6, 90, "P1", ny(21, 0), None),
    "overdue:APP-23": (4, 70, "P2", ny(21, 0), ny(24, 12)),
    "overdue:APP-24": (2, 50, "P3", ny(11, 0), ny(12)),
    "overdue:APP-25": (16, 100, "P1", ny(24, 10), None),
    "overdue:APP-26": (3, 60, "P2", ny(21, 0), ny(23, 12)),
    "overdue:APP-27": (10, 100, "P1", ny(13, 0), None),
    "overdue:APP-28": (6, 50, "P3", ny(21, 0), None),
    # past 8.65 days
    "ageing:FLOW-21": (9, 41.6, "P3", NOW - timedelta(days=0.35), None),
    "ageing:FLOW-22": (20, 92.5, "P1", NOW - timedelta(days=11.35), None),
    "ageing:FLOW-23": (10, 46.2, "P3", NOW - timedelta(days=3.35), NOW - timedelta(days=2)),
    "ageing:FLOW-25": (10, 46.2, "P3", NOW - timedelta(days=1.35), None),
    "carried_over:APP-30": (2, 60, "P2", ny(13, 17), None),
    "carried_over:APP-31": (3, 80, "P1", ny(27, 17, month=2), None),
    "carried_over:APP-32": (2, 60, "P2", ny(13, 17), ny(18)),
    "unassigned:APP-40": (7, 77.5, "P2", ny(26, 10), None),
    "unassigned:APP-41": (32, 100, "P1", ny(23), None),
    "unassigned:APP-42": (8, 50, "P3", ny(23), ny(24)),
    "unassigned:APP-43": (16, 100, "P1", ny(25), None),
    "unassigned:APP-44": (152, 50, "P3", ny(2), None),
    "scope_growth:30": (37.5, 50, "P3", ny(18, 12), None),
    "scope_growth:50": (100, 100, "P1", ny(18, 12), ny(20, 17)),
    "scope_growth:60": (50, 60, "P2", ny(18, 12), None),
    "scope_growth:70": (100, 100, "P1", ny(18), ny(19)),
    "review_wait:91": (8, 40, "P3", ny(26, 17), None),
    "review_wait:92": (24, 80, "P1", ny(24, 17), None),
    "review_wait:93": (17, 62.5, "P2", ny(23, 17), ny(25, 10)),
    "review_wait:96": (16, 60, "P2", ny(25, 17), None),
    "hours_on_closed:APP-50": (3, 55, "P3", ny(24), None),
    "hours_on_closed:APP-51": (10, 90, "P1", ny(23, 14), None),
    "hours_on_closed:APP-53": (1, 45, "P3", ny(5, 18), ny(19, 19)),
    "hours_on_closed:APP-54": (1, 45, "P3", ny(23, 18), ny(25, 12)),
    "hours_on_closed:APP-55": (1, 45, "P3", ny(12, 18), ny(16)),
}


def test_every_risk_is_a_signal_and_nothing_else_is(risks: Risks) -> None:
    """Not a signal: work just at its limit, without a measure, in a quiet project, or over for long."""
    assert set(risks) == set(EXPECTED)


@pytest.mark.parametrize("signal", EXPECTED)
def test_a_signal_says_how_far_it_went_and_since_when(risks: Risks, signal: str) -> None:
    row = risks[signal]
    value, score, severity, first_seen, closed = EXPECTED[signal]
    assert (row["value"], row["score"], row["severity"]) == (pytest.approx(value, abs=1e-5), score, severity)
    assert (row["first_seen_at"], row["closed_at"]) == (first_seen, closed)
    assert (row["is_open"], row["last_seen_at"]) == (closed is None, closed or NOW)


def test_a_reason_is_a_sentence_with_its_numbers(risks: Risks) -> None:
    expected = {
        "blocked:APP-2": "Blocked for 32 working hours: in status Blocked by vendor.",
        "blocked:APP-3": "Blocked for 16 working hours: waits for APP-4.",
        "blocked:APP-5": "Until 2026-03-24 16:00 UTC: blocked for 11 working hours: waits for APP-6.",
        "overdue:APP-20": "1 day past its due date, 2026-03-25.",
        "ageing:FLOW-22": "In progress for 20 days; 85 % of the last 10 finished before (Story in FLOW) took at most "
        "8.7.",
        "ageing:FLOW-25": "In progress for 10 days; 85 % of the last 10 finished before (FLOW) took at most 8.7.",
        "carried_over:APP-30": "Not done at the end of 2 sprints: Sprint 11, Sprint 12.",
        "unassigned:APP-43": "Of priority Critical and assigned to nobody for 16 working hours.",
        "scope_growth:30": "Scope 37.5 % above its start: 11 instead of 8 points.",
        "scope_growth:60": "Scope 50 % above its start: 3 instead of 2 issues.",
        "review_wait:91": "Waiting 8 working hours for a first review.",
        "hours_on_closed:APP-51": "10 hours logged by 2 people on later days than it was done, 2026-03-20.",
    }
    assert {signal: risks[signal]["why"] for signal in expected} == expected


def test_evidence_names_and_links_what_it_rests_on(risks: Risks) -> None:
    def evidence(signal: str) -> Any:
        return json.loads(risks[signal]["evidence"])

    site = "https://firm.test"
    assert evidence("blocked:APP-3") == {
        "ids": ["issue:APP-3", "issue:APP-4", "link:l1"],
        "links": [f"{site}/browse/APP-3", f"{site}/browse/APP-4"],
    }
    assert evidence("carried_over:APP-30")["ids"] == ["issue:APP-30", "sprint:11", "sprint:12"]
    assert evidence("scope_growth:30") == {
        "ids": ["sprint:30", "issue:GROWN-1"],
        "links": [f"{site}/secure/RapidBoard.jspa?rapidView=3&sprint=30", f"{site}/browse/GROWN-1"],
    }
    assert evidence("review_wait:91") == {
        "ids": ["pull_request:firm/app#1"],
        "links": ["https://code.test/firm/app/pull/1"],
    }
    assert evidence("hours_on_closed:APP-51")["ids"] == ["issue:APP-51", "worklog:tempo:2", "worklog:tempo:3"]


def test_a_signal_says_whose_it_is(risks: Risks) -> None:
    def place(signal: str) -> tuple[str | None, ...]:
        return tuple(risks[signal][name] for name in ("source", "subject_name", "project", "board", "team"))

    assert place("carried_over:APP-30") == ("jira", "Work APP-30", "APP", "APP board", None)
    assert place("unassigned:APP-42") == ("jira", "Work APP-42", "APP", None, "Team Ada")
    assert place("scope_growth:30") == ("jira", "Sprint 30", "GROWN", "GROWN board", None)
    assert place("review_wait:91") == ("github", "Change 1", "firm/app", None, None)
    assert place("hours_on_closed:APP-50") == ("tempo", "Work APP-50", "APP", None, None)
