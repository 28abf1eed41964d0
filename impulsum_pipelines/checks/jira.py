"""The checks that only Jira needs: is everything stored that Jira counts, and does it fit together."""

from __future__ import annotations

from impulsum_pipelines.checks.builder import NAMED, compare_counts, compare_totals, no_orphans
from impulsum_pipelines.checks.findings import Check, Finding, Raw, table_of
from impulsum_pipelines.sources.base.table import ALIVE, alive

_SPRINT = "com.pyxis.greenhopper.jira:gh-sprint"

#: The schema that a field must have to play a role: column of ``fields``, and its value.
_ROLE_SCHEMAS = {
    "sprint": ("schema_custom", _SPRINT),
    "story_points": ("schema_type", "number"),
    "story_point_estimate": ("schema_type", "number"),
    "epic_link": ("schema_custom", "com.pyxis.greenhopper.jira:gh-epic-link"),
}

_ISSUES = f"""
    with counted as (select project_id, count(*) as stored from raw.issues where {ALIVE} group by project_id)
    select projects.key as scope, issue_total as at_source, coalesce(counted.stored, 0) as stored
    from raw.projects
    left join counted on counted.project_id = projects.id
    where {ALIVE} and issue_total is not null
    order by projects.key
"""

_CHANGES = f"""
    with counted as (select issue_id, count(*) as stored from raw.changes where {ALIVE} group by issue_id)
    select issues.key, change_total as at_source, coalesce(counted.stored, 0) as stored
    from raw.issues
    left join counted on counted.issue_id = issues.id
    where {ALIVE} and change_total is not null and change_total <> coalesce(counted.stored, 0)
    order by issues.key
"""


def _field_types(raw: Raw) -> Finding:
    roles = raw.rows(
        f"select id, name, role, schema_type, schema_custom from raw.fields where role is not null and {ALIVE}"
    )
    wrong = [
        {"field": f["id"], "name": f["name"], "wanted for": f["role"], "has": f[_ROLE_SCHEMAS[f["role"]][0]]}
        for f in roles
        if f["role"] in _ROLE_SCHEMAS and f[_ROLE_SCHEMAS[f["role"]][0]] != _ROLE_SCHEMAS[f["role"]][1]
    ]
    wrong += [
        {"field": f["id"], "name": f["name"], "wanted for": f["role"], "has": "an unknown role"}
        for f in roles
        if f["role"] not in _ROLE_SCHEMAS
    ]
    wrong += raw.rows(
        f"""
        select estimation_field_id as field, estimation_field_name as name, 'board ' || boards.name as "wanted for",
            coalesce(fields.schema_type, 'no such field') as has
        from raw.boards
        left join (select * from raw.fields where {ALIVE}) as fields on fields.id = estimation_field_id
        where {alive("boards")}
            and estimation_field_id is not null and fields.schema_type is distinct from 'number'
        """
    )
    if not wrong:
        return Finding(True, "The fields that velocity reads have the types that it expects.")
    named = "; ".join(f"{f['field']} ({f['name']}), for {f['wanted for']}: {f['has']}" for f in wrong[:NAMED])
    text = f"{len(wrong)} fields do not have the type that velocity reads: {named}. Correct them in Jira."
    return Finding(False, text, numbers={"fields": table_of(wrong)})


def _of_issues(table: str, *keys: str) -> Check:
    return no_orphans(table, *keys, parents="select id from raw.issues", of="issues")


CHECKS = (
    compare_counts(
        "completeness",
        "issues",
        "Each project has as many issues here as Jira counts in it.",
        _ISSUES,
        scopes="projects",
        things="issues",
        empty="No project is stored yet.",
    ),
    compare_totals(
        "changelog_totals",
        "changes",
        "Each issue has as many changes here as Jira counts. With fewer, the past is rebuilt from an incomplete "
        "history.",
        _CHANGES,
        parents="issues",
        things="changes",
        next_step="Run `impulsum sync jira --since` with the day on which the oldest of them last changed.",
    ),
    _of_issues("changes", "issue_id"),
    _of_issues("comments", "issue_id"),
    _of_issues("worklogs", "issue_id"),
    # A link is read from either end, and the other one may be in a project that is not visible.
    _of_issues("links", "source_issue_id", "target_issue_id"),
    Check(
        "field_types",
        "fields",
        "The fields for sprints, epics and points, and each board's estimation field, exist and have the type that "
        "velocity reads. Fails when one was changed or removed in Jira.",
        _field_types,
    ),
)
