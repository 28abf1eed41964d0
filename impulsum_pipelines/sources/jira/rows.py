"""Jira documents to rows: the typed columns of :mod:`tables`, with the whole document beside them.

Every function is pure. Unknown fields stay in the payload; a missing one is null; a value of a wrong type is null
in its column and whole in the payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import day, moment, number, part, text, whole
from impulsum_pipelines.sources.jira.client import Document

Row = dict[str, Any]

#: What lies within the documents under other names in the vendor's changelog and board configuration.
TIME_ESTIMATE = "timeoriginalestimate"


def sprints_of(fields: Document, sprint_field: str | None) -> list[Document]:
    """The sprint objects in an issue's Sprint field."""
    value = fields.get(sprint_field) if sprint_field else None
    return [sprint for sprint in value if isinstance(sprint, dict)] if isinstance(value, list) else []


def issue(document: Document, *, sprint_field: str | None, epic_field: str | None, estimates: tuple[str, ...]) -> Row:
    """One issue; its histories are left to the table ``changes``."""
    fields = document["fields"]
    changelog = document.get("changelog") or {}
    status = fields.get("status")
    kind = fields.get("issuetype")
    project = fields.get("project")
    comment = fields.get("comment")
    return {
        "id": str(document["id"]),
        "key": document["key"],
        "project_id": part(project, "id"),
        "project_key": part(project, "key"),
        "issue_type": part(kind, "name"),
        "is_subtask": bool(kind.get("subtask")) if isinstance(kind, dict) else None,
        "parent_id": part(fields.get("parent"), "id"),
        "epic_key": text(fields.get(epic_field)) if epic_field else None,
        "summary": text(fields.get("summary")),
        "status_id": part(status, "id"),
        "status_name": part(status, "name"),
        "status_category": part(status.get("statusCategory"), "key") if isinstance(status, dict) else None,
        "priority": part(fields.get("priority"), "name"),
        "resolution": part(fields.get("resolution"), "name"),
        "resolved_at": moment(fields.get("resolutiondate")),
        "created_at": moment(fields.get("created")),
        "updated_at": moment(fields.get("updated")),
        "due_date": day(fields.get("duedate")),
        "assignee_id": part(fields.get("assignee"), "accountId"),
        "reporter_id": part(fields.get("reporter"), "accountId"),
        "creator_id": part(fields.get("creator"), "accountId"),
        "labels": orjson.dumps(fields.get("labels") or []).decode(),
        "sprint_ids": orjson.dumps([str(s["id"]) for s in sprints_of(fields, sprint_field) if "id" in s]).decode(),
        "estimates": orjson.dumps({name: number(fields.get(name)) for name in estimates}).decode(),
        "time_spent_seconds": whole(fields.get("timespent")),
        "change_total": whole(changelog.get("total")),
        "comment_total": whole(comment.get("total")) if isinstance(comment, dict) else None,
        "payload": {name: value for name, value in document.items() if name != "changelog"},
    }


def change(issue_id: str, history: Document) -> Row:
    """One changelog history."""
    return {
        "id": str(history["id"]),
        "issue_id": issue_id,
        "author_id": part(history.get("author"), "accountId"),
        "created_at": moment(history.get("created")),
        "payload": history,
    }


def comment(issue_id: str, document: Document) -> Row:
    """One comment."""
    return {
        "id": str(document["id"]),
        "issue_id": issue_id,
        "author_id": part(document.get("author"), "accountId"),
        "created_at": moment(document.get("created")),
        "updated_at": moment(document.get("updated")),
        "is_restricted": bool(document.get("visibility")),
        "payload": document,
    }


def links(issue_id: str, fields: Document) -> Iterator[Row]:
    """The links of an issue, each told from its source to its target whichever end is read."""
    for link in fields.get("issuelinks") or []:
        kind = link.get("type")
        outward, inward = part(link.get("outwardIssue"), "id"), part(link.get("inwardIssue"), "id")
        yield {
            "id": str(link["id"]),
            "type": part(kind, "name"),
            "outward": part(kind, "outward"),
            "source_issue_id": issue_id if outward else inward,
            "target_issue_id": outward or issue_id,
            # Each end sees the other's summary and status; only what both ends agree on makes the link.
            "payload": {
                "id": link["id"],
                "type": kind,
                "source": inward or issue_id,
                "target": outward or issue_id,
            },
        }


def worklog(document: Document) -> Row:
    """One worklog entry."""
    return {
        "id": str(document["id"]),
        "issue_id": text(document.get("issueId")),
        "author_id": part(document.get("author"), "accountId"),
        "started_at": moment(document.get("started")),
        "time_spent_seconds": whole(document.get("timeSpentSeconds")),
        "created_at": moment(document.get("created")),
        "updated_at": moment(document.get("updated")),
        "payload": document,
    }


def sprint(document: Document) -> Row:
    """One sprint, from the software API or from an issue's Sprint field (which says boardId)."""
    return {
        "id": str(document["id"]),
        "name": text(document.get("name")),
        "state": text(document.get("state")),
        "board_id": text(document.get("originBoardId", document.get("boardId"))),
        "goal": text(document.get("goal")),
        "created_at": moment(document.get("createdDate")),
        "start_at": moment(document.get("startDate")),
        "end_at": moment(document.get("endDate")),
        "complete_at": moment(document.get("completeDate")),
        "payload": document,
    }


def board(document: Document, configuration: Document) -> Row:
    """One board with its configuration."""
    estimation = configuration.get("estimation") or {}
    estimation_field = estimation.get("field") or {}
    columns = [
        {"name": column.get("name"), "status_ids": [str(s["id"]) for s in column.get("statuses") or []]}
        for column in (configuration.get("columnConfig") or {}).get("columns") or []
    ]
    mapped = [column["status_ids"] for column in columns if column["status_ids"]]
    return {
        "id": str(document["id"]),
        "name": text(document.get("name")),
        "type": text(document.get("type")),
        "project_id": part(document.get("location"), "projectId"),
        "estimation_type": text(estimation.get("type")),
        "estimation_field_id": text(estimation_field.get("fieldId")),
        "estimation_field_name": text(estimation_field.get("displayName")),
        "columns": orjson.dumps(columns).decode(),
        "done_status_ids": orjson.dumps(mapped[-1] if mapped else []).decode(),
        "payload": {"board": document, "configuration": configuration},
    }


def project(document: Document) -> Row:
    """One project."""
    insight = document.get("insight") or {}
    return {
        "id": str(document["id"]),
        "key": text(document.get("key")),
        "name": text(document.get("name")),
        "type": text(document.get("projectTypeKey")),
        "style": text(document.get("style")),
        "is_archived": bool(document.get("archived")),
        "issue_total": whole(insight.get("totalIssueCount")),
        "last_issue_updated_at": moment(insight.get("lastIssueUpdateTime")),
        "payload": document,
    }


def user(document: Document) -> Row:
    """One account."""
    return {
        "id": str(document["accountId"]),
        "display_name": text(document.get("displayName")),
        "email": text(document.get("emailAddress")),
        "is_active": bool(document.get("active")),
        "account_type": text(document.get("accountType")),
        "time_zone": text(document.get("timeZone")),
        "payload": document,
    }


def field(document: Document, role: str | None) -> Row:
    """One field, with what it is to us."""
    schema = document.get("schema") or {}
    return {
        "id": str(document["id"]),
        "name": text(document.get("name")),
        "is_custom": bool(document.get("custom")),
        "schema_type": text(schema.get("type")),
        "schema_items": text(schema.get("items")),
        "schema_custom": text(schema.get("custom")),
        "role": role,
        "payload": document,
    }


def status(document: Document) -> Row:
    """One status."""
    scope = document.get("scope") or {}
    return {
        "id": str(document["id"]),
        "name": text(document.get("name")),
        "category": part(document.get("statusCategory"), "key"),
        "project_id": part(scope.get("project"), "id"),
        "payload": document,
    }


def version(document: Document) -> Row:
    """One version of a project."""
    return {
        "id": str(document["id"]),
        "project_id": text(document.get("projectId")),
        "name": text(document.get("name")),
        "is_released": bool(document.get("released")),
        "is_archived": bool(document.get("archived")),
        "start_date": day(document.get("startDate")),
        "release_date": day(document.get("releaseDate")),
        "payload": document,
    }
