"""Key numbers of the marts. Each build records them with the table, and Dagster plots them over time."""

from __future__ import annotations

from collections.abc import Mapping

#: Table to its numbers: name as the UI shows it, and the SQL aggregate over the table.
FIGURES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("core", "issues"): {
        "open issues": "count(*) filter (status_category != 'done' and not is_deleted)",
        "issues done in the last 7 days": "count(*) filter (resolved_at >= now() - interval 7 days)",
    },
    ("core", "pull_requests"): {
        "open pull requests": "count(*) filter (closed_at is null and merged_at is null and not is_deleted)",
    },
    ("core", "person_accounts"): {"accounts without a person": "count(*) filter (not is_resolved)"},
    ("core", "work_links"): {"issues that other tools mention": "count(distinct issue_id)"},
    ("velocity", "sprint_velocity"): {
        "closed sprints": "count(*) filter (state = 'closed')",
        "say/do of the sprints of 90 days (%)": "100 * avg(coalesce(say_do_ratio, say_do_issue_ratio)) "
        "filter (state = 'closed' and completed_at >= now() - interval 90 days)",
        "carryover of the sprints of 90 days (issues)": "sum(carryover_issues) "
        "filter (state = 'closed' and completed_at >= now() - interval 90 days)",
    },
    ("risk", "signals"): {
        "open risks": "count(*) filter (is_open)",
        **{
            f"open risks {level}": f"count(*) filter (is_open and severity = '{level}')" for level in ("P1", "P2", "P3")
        },
    },
    ("quality", "completeness"): {
        "rows at the sources": "sum(at_source)",
        "rows that are missing": "sum(greatest(difference, 0))",
    },
    ("quality", "freshness"): {
        "hours since the oldest last sync": "date_diff('minute', min(last_done_at), now()) / 60",
    },
}
