"""Jira documents to rows: the typed columns of :mod:`tables`, with the whole document beside them.

Every function is pure. Unknown fields stay in the payload. A missing field is null; a value of a wrong type is null in
its column and stays in the payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import as_date, as_datetime, as_float, as_int, as_text, text_field
from impulsum_pipelines.sources.jira.client import Document

Row = dict[str, Any]

#: The field of the original time estimate. The changelog and the board configuration use other names for it.
TIME_ESTIMATE = "timeoriginalestimate"


def sprints_of(fields: Document, sprint_field: str | None) -> list[Document]:
    """The sprint objects in an issue's Sprint field."""
    value = fields.get(sprint_field) if sprint_field else None
    return [sprint for sprint in value if isinstance(sprint, dict)] if isinstance(value, list) else []


def issue(document: Document, *, sprint_field: str | None, epic_field: str | None, estimates: tuple[str, ...]) -> Row:
    """One issue, without its histories: those are in the table ``changes``."""
    fields = document["fields"]
    changelog = document.get("changelog") or {}
    status = fields.get("status")
    kind = fields.get("issuetype")
    project = fields.get("project")
    comment = fields.get("comment")
    return {
        "id": str(document["id"]),
        "key": document["key"],
        "project_id": text_field(project, "id"),
        "project_key": text_field(project, "key"),
        "issue_type": text_field(kind, "name"),
        "is_subtask": bool(kind.get("subtask")) if isinstance(kind, dict) else None,
        "parent_id": text_field(fields.get("parent"), "id"),
        "epic_key": as_text(fields.get(epic_field)) if epic_field else None,
        "summary": as_text(fields.get("summary")),
        "status_id": text_field(status, "id"),
        "status_name": text_field(status, "name"),
        "status_category": text_field(status.get("statusCategory"), "key") if isinstance(status, dict) else None,
        "priority": text_field(fields.get("priority"), "name"),
        "resolution": text_field(fields.get("resolution"), "name"),
        "resolved_at": as_datetime(fields.get("resolutiondate")),
        "created_at": as_datetime(fields.get("created")),
        "updated_at": as_datetime(fields.get("updated")),
        "due_date": as_date(fields.get("duedate")),
        "assignee_id": text_field(fields.get("assignee"), "accountId"),
        "reporter_id": text_field(fields.get("reporter"), "accountId"),
        "creator_id": text_field(fields.get("creator"), "accountId"),
        "labels": orjson.dumps(fields.get("labels") or []).decode(),
        "sprint_ids": orjson.dumps([str(s["id"]) for s in sprints_of(fields, sprint_field) if "id" in s]).decode(),
        "estimates": orjson.dumps({name: as_float(fields.get(name)) for name in estimates}).decode(),
        "time_spent_seconds": as_int(fields.get("timespent")),
        "change_total": as_int(changelog.get("total")),
        "comment_total": as_int(comment.get("total")) if isinstance(comment, dict) else None,
        "payload": {name: value for name, value in document.items() if name != "changelog"},
    }


def change(issue_id: str, history: Document) -> Row:
    """One changelog history."""
    return {
        "id": str(history["id"]),
        "issue_id": issue_id,
        "author_id": text_field(history.get("author"), "accountId"),
        "created_at": as_datetime(history.get("created")),
        "payload": history,
    }


def comment(issue_id: str, document: Document) -> Row:
    """One comment."""
    return {
        "id": str(document["id"]),
        "issue_id": issue_id,
        "author_id": text_field(document.get("author"), "accountId"),
        "created_at": as_datetime(document.get("created")),
        "updated_at": as_datetime(document.get("updated")),
        "is_restricted": bool(document.get("visibility")),
        "payload": document,
    }


def links(issue_id: str, fields: Document) -> Iterator[Row]:
    """The links of an issue, each from its source to its target, no matter which of the two is read."""
    for link in fields.get("issuelinks") or []:
        kind = link.get("type")
        outward, inward = text_field(link.get("outwardIssue"), "id"), text_field(link.get("inwardIssue"), "id")
        yield {
            "id": str(link["id"]),
            "type": text_field(kind, "name"),
            "outward": text_field(kind, "outward"),
            "source_issue_id": issue_id if outward else inward,
            "target_issue_id": outward or issue_id,
            # Each end shows the other's summary and status. The payload has only what is the same at both ends.
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
        "issue_id": as_text(document.get("issueId")),
        "author_id": text_field(document.get("author"), "accountId"),
        "started_at": as_datetime(document.get("started")),
        "time_spent_seconds": as_int(document.get("timeSpentSeconds")),
        "created_at": as_datetime(document.get("created")),
        "updated_at": as_datetime(document.get("updated")),
        "payload": document,
    }


def sprint(document: Document) -> Row:
    """One sprint, from the software API, or from an issue's Sprint field (which has ``boardId``)."""
    return {
        "id": str(document["id"]),
        "name": as_text(document.get("name")),
        "state": as_text(document.get("state")),
        "board_id": as_text(document.get("originBoardId", document.get("boardId"))),
        "goal": as_text(document.get("goal")),
        "created_at": as_datetime(document.get("createdDate")),
        "start_at": as_datetime(document.get("startDate")),
        "end_at": as_datetime(document.get("endDate")),
        "complete_at": as_datetime(document.get("completeDate")),
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
        "name": as_text(document.get("name")),
        "type": as_text(document.get("type")),
        "project_id": text_field(document.get("location"), "projectId"),
        "estimation_type": as_text(estimation.get("type")),
        "estimation_field_id": as_text(estimation_field.get("fieldId")),
        "estimation_field_name": as_text(estimation_field.get("displayName")),
        "columns": orjson.dumps(columns).decode(),
        "done_status_ids": orjson.dumps(mapped[-1] if mapped else []).decode(),
        "payload": {"board": document, "configuration": configuration},
    }


def project(document: Document) -> Row:
    """One project."""
    insight = document.get("insight") or {}
    return {
        "id": str(document["id"]),
        "key": as_text(document.get("key")),
        "name": as_text(document.get("name")),
        "type": as_text(document.get("projectTypeKey")),
        "style": as_text(document.get("style")),
        "is_archived": bool(document.get("archived")),
        "issue_total": as_int(insight.get("totalIssueCount")),
        "last_issue_updated_at": as_datetime(insight.get("lastIssueUpdateTime")),
        "payload": document,
    }


def user(document: Document) -> Row:
    """One account."""
    return {
        "id": str(document["accountId"]),
        "display_name": as_text(document.get("displayName")),
        "email": as_text(document.get("emailAddress")),
        "is_active": bool(document.get("active")),
        "account_type": as_text(document.get("accountType")),
        "time_zone": as_text(document.get("timeZone")),
        "payload": document,
    }


def field(document: Document, role: str | None) -> Row:
    """One field, with the role in which we use it."""
    schema = document.get("schema") or {}
    return {
        "id": str(document["id"]),
        "name": as_text(document.get("name")),
        "is_custom": bool(document.get("custom")),
        "schema_type": as_text(schema.get("type")),
        "schema_items": as_text(schema.get("items")),
        "schema_custom": as_text(schema.get("custom")),
        "role": role,
        "payload": document,
    }


def status(document: Document) -> Row:
    """One status."""
    scope = document.get("scope") or {}
    return {
        "id": str(document["id"]),
        "name": as_text(document.get("name")),
        "category": text_field(document.get("statusCategory"), "key"),
        "project_id": text_field(scope.get("project"), "id"),
        "payload": document,
    }


def version(document: Document) -> Row:
    """One version of a project."""
    return {
        "id": str(document["id"]),
        "project_id": as_text(document.get("projectId")),
        "name": as_text(document.get("name")),
        "is_released": bool(document.get("released")),
        "is_archived": bool(document.get("archived")),
        "start_date": as_date(document.get("startDate")),
        "release_date": as_date(document.get("releaseDate")),
        "payload": document,
    }
