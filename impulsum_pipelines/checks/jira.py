"""The checks that know Jira: is everything held that Jira says it has, and does it fit together."""

from __future__ import annotations

from functools import partial

from impulsum_pipelines.checks.findings import Check, Finding, Raw, agreement, table_of
from impulsum_pipelines.sources.base.table import ALIVE

_SPRINT = "com.pyxis.greenhopper.jira:gh-sprint"

#: The schema that a field must have to play a role: column of ``fields``, and its value.
_ROLE_SCHEMAS = {
    "sprint": ("schema_custom", _SPRINT),
    "story_points": ("schema_type", "number"),
    "story_point_estimate": ("schema_type", "number"),
    "epic_link": ("schema_custom", "com.pyxis.greenhopper.jira:gh-epic-link"),
}


def _completeness(raw: Raw) -> Finding:
    projects = raw.rows(
        f"""
        with held as (select project_id, count(*) as held from raw.issues where {ALIVE} group by project_id)
        select projects.key, projects.issue_total as at_source, coalesce(held.held, 0) as held
        from raw.projects
        left join held on held.project_id = projects.id
        where {ALIVE} and issue_total is not null
        order by projects.key
        """
    )
    if not projects:
        return Finding(True, "No project is held yet.")
    wrong = [p for p in projects if not agreement(p["at_source"], p["held"])[0]]
    serious = any(agreement(p["at_source"], p["held"])[1] for p in wrong)
    text = (
        f"{len(wrong)} of {len(projects)} projects differ: "
        + ", ".join(f"{p['key']} has {p['at_source']}, held {p['held']}" for p in wrong[:10])
        if wrong
        else f"All {len(projects)} projects are held whole."
    )
    numbers = {
        "at source": sum(p["at_source"] for p in projects),
        "held": sum(p["held"] for p in projects),
        "projects": table_of(projects),
    }
    return Finding(not wrong, text, serious=serious, numbers=numbers)


def _changelog_totals(raw: Raw) -> Finding:
    differing = raw.rows(
        f"""
        with held as (select issue_id, count(*) as held from raw.changes where {ALIVE} group by issue_id)
        select issues.key, issues.change_total as at_source, coalesce(held.held, 0) as held
        from raw.issues
        left join held on held.issue_id = issues.id
        where {ALIVE} and change_total is not null and change_total <> coalesce(held.held, 0)
        order by issues.key
        """
    )
    if not differing:
        return Finding(True, "Every issue has as many changes as Jira counts.")
    short = sum(row["held"] < row["at_source"] for row in differing)
    numbers = {
        "issues that differ": len(differing),
        "issues with too few": short,
        "changes missing": sum(max(row["at_source"] - row["held"], 0) for row in differing),
        "issues": table_of(differing),
    }
    text = f"{len(differing)} issues have another number of changes than Jira counts, {short} of them too few."
    # More than counted is an issue that changed after it was counted; fewer means that history is lost.
    return Finding(False, text, serious=short > 0, numbers=numbers)


def _no_orphans(raw: Raw, *, table: str, ends: tuple[str, ...]) -> Finding:
    """A row is an orphan when none of the issues that it names was ever held."""
    homeless = " and ".join(f"coalesce({end}, '') not in (select id from raw.issues)" for end in ends)
    orphans = raw.rows(f"select id, {', '.join(ends)} from raw.{table} where {ALIVE} and {homeless} order by id")
    if not orphans:
        return Finding(True, f"All {table} belong to issues that are held.")
    text = f"{len(orphans)} {table} belong to no issue that is held."
    return Finding(False, text, numbers={"orphans": len(orphans), "first": table_of(orphans)})


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
        {"field": f["id"], "name": f["name"], "wanted for": f["role"], "has": "a role that is not known"}
        for f in roles
        if f["role"] not in _ROLE_SCHEMAS
    ]
    wrong += raw.rows(
        f"""
        select estimation_field_id as field, estimation_field_name as name, 'board ' || boards.name as "wanted for",
            coalesce(fields.schema_type, 'no such field') as has
        from raw.boards
        left join (select * from raw.fields where {ALIVE}) as fields on fields.id = estimation_field_id
        where boards.deleted_at is null and boards.unreachable_since is null
            and estimation_field_id is not null and fields.schema_type is distinct from 'number'
        """
    )
    if not wrong:
        return Finding(True, "The fields that velocity rests on have the types that it expects.")
    text = "Fields changed their type: " + "; ".join(
        f"{f['field']} ({f['name']}), for {f['wanted for']}: {f['has']}" for f in wrong[:10]
    )
    return Finding(False, text, numbers={"fields": table_of(wrong)})


CHECKS = (
    Check(
        "completeness",
        "issues",
        "Each project has as many issues here as Jira counts in it. A small difference warns: issues come and go "
        "between the count and the pull. More than 5 and 1 % is an error: run a sync with --census.",
        _completeness,
    ),
    Check(
        "changelog_totals",
        "changes",
        "Each issue has as many changes here as Jira counts. Fewer means that the past was rebuilt from half a "
        "history.",
        _changelog_totals,
    ),
    *(
        Check(
            "no_orphans",
            table,
            f"All {table} belong to issues that are held.",
            partial(_no_orphans, table=table, ends=ends),
        )
        for table, ends in (
            ("changes", ("issue_id",)),
            ("comments", ("issue_id",)),
            ("worklogs", ("issue_id",)),
            # A link is read from either end, and the other one may lie in a project that is out of sight.
            ("links", ("source_issue_id", "target_issue_id")),
        )
    ),
    Check(
        "field_types",
        "fields",
        "The fields for sprints, epics and points, and each board's estimation field, exist and have the type that "
        "velocity reads them as.",
        _field_types,
    ),
)
