"""Tempo documents to rows: the typed columns of :mod:`tables`, with the whole document beside them.

Every function is pure. A missing field is null; a value of a wrong type is null in its column and stays in the payload.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import as_date, as_datetime, as_int, as_text, text_field

Document = dict[str, Any]
Row = dict[str, Any]

#: The work attribute with the account's key.
ACCOUNT_ATTRIBUTE = "_Account_"


def worklog(document: Document) -> Row:
    """One worklog."""
    attributes = _attributes(document.get("attributes"))
    start_date = as_date(document.get("startDate"))
    return {
        "id": str(document["tempoWorklogId"]),
        "issue_id": text_field(document.get("issue"), "id"),
        "author_id": text_field(document.get("author"), "accountId"),
        "start_date": start_date,
        "start_time": _wall_time(document.get("startTime")),
        "started_at": as_datetime(document.get("startDateTimeUtc")),
        "work_month": f"{start_date:%Y-%m}" if start_date else None,
        "time_spent_seconds": as_int(document.get("timeSpentSeconds")),
        "billable_seconds": as_int(document.get("billableSeconds")),
        "description": as_text(document.get("description")),
        "account_key": as_text(attributes.get(ACCOUNT_ATTRIBUTE)),
        "attributes": orjson.dumps(attributes).decode(),
        "created_at": as_datetime(document.get("createdAt")),
        "updated_at": as_datetime(document.get("updatedAt")),
        "payload": document,
    }


def _wall_time(value: object) -> str | None:
    """HH:MM:SS. The vendor writes that, but seconds since midnight in webhooks and in its own example."""
    if isinstance(value, str) and ":" in value:
        return value
    seconds = int(value) if isinstance(value, str) and value.isdigit() else as_int(value)
    if seconds is None or not 0 <= seconds < 86_400:
        return as_text(value)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _attributes(value: object) -> dict[str, Any]:
    values = value.get("values") if isinstance(value, dict) else None
    listed = values if isinstance(values, list) else []
    return {str(item["key"]): item.get("value") for item in listed if isinstance(item, dict) and "key" in item}


def plan(document: Document) -> Row:
    """One plan."""
    item = document.get("planItem")
    item_id, item_type = text_field(item, "id"), text_field(item, "type")
    return {
        "id": str(document["id"]),
        "assignee_id": text_field(document.get("assignee"), "id"),
        "assignee_type": text_field(document.get("assignee"), "type"),
        "item_id": item_id,
        "item_type": item_type,
        "issue_id": item_id if item_type == "ISSUE" else None,
        "start_date": as_date(document.get("startDate")),
        "end_date": as_date(document.get("endDate")),
        "effort_type": as_text(document.get("effortPersistenceType")),
        "planned_seconds_per_day": as_int(document.get("plannedSecondsPerDay")),
        "total_planned_seconds": as_int(document.get("totalPlannedSeconds")),
        "rule": as_text(document.get("rule")),
        "recurrence_end_date": as_date(document.get("recurrenceEndDate")),
        "includes_non_working_days": _flag(document.get("includeNonWorkingDays")),
        "description": as_text(document.get("description")),
        "creator_id": as_text(document.get("planCreatorId")),
        "created_at": as_datetime(document.get("createdAt")),
        "updated_at": as_datetime(document.get("updatedAt")),
        "payload": document,
    }


def account(document: Document) -> Row:
    """One account."""
    category = document.get("category")
    customer = document.get("customer")
    return {
        "id": str(document["id"]),
        "key": as_text(document.get("key")),
        "name": as_text(document.get("name")),
        "status": as_text(document.get("status")),
        "is_global": _flag(document.get("global")),
        "lead_id": text_field(document.get("lead"), "accountId"),
        "monthly_budget": as_int(document.get("monthlyBudget")),
        "category_key": text_field(category, "key"),
        "category_type": text_field(category.get("type"), "name") if isinstance(category, dict) else None,
        "customer_key": text_field(customer, "key"),
        "customer_name": text_field(customer, "name"),
        "payload": document,
    }


def team(document: Document) -> Row:
    """One team."""
    program = document.get("program")
    return {
        "id": str(document["id"]),
        "name": as_text(document.get("name")),
        "summary": as_text(document.get("summary")),
        "lead_id": text_field(document.get("lead"), "accountId"),
        "program_id": text_field(program, "id"),
        "program_name": text_field(program, "name"),
        "is_administrative": _flag(document.get("administrative")),
        "payload": document,
    }


def team_member(document: Document) -> Row:
    """One membership."""
    role = document.get("role")
    after = as_date(document.get("to"))
    return {
        "id": str(document["id"]),
        "team_id": text_field(document.get("team"), "id"),
        "member_id": text_field(document.get("member"), "accountId"),
        "role_id": text_field(role, "id"),
        "role_name": text_field(role, "name"),
        "commitment_percent": as_int(document.get("commitmentPercent")),
        "start_date": as_date(document.get("from")),
        "last_date": as_date(document.get("inclusiveTo")) or (after - timedelta(days=1) if after else None),
        "payload": document,
    }


def workload_scheme(document: Document) -> Row:
    """One workload scheme."""
    listed = document.get("days")
    days = {
        str(item["day"]): as_int(item.get("requiredSeconds"))
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, dict) and "day" in item
    }
    return {
        "id": str(document["id"]),
        "name": as_text(document.get("name")),
        "description": as_text(document.get("description")),
        "is_default": _flag(document.get("defaultScheme")),
        "member_total": as_int(document.get("memberCount")),
        "days": orjson.dumps(days).decode(),
        "week_seconds": sum(seconds or 0 for seconds in days.values()) if days else None,
        "payload": document,
    }


def workload_scheme_member(document: Document) -> Row:
    """One person in a workload scheme."""
    scheme, member = document["schemeId"], document["member"]["accountId"]
    return {"id": f"{scheme}:{member}", "scheme_id": str(scheme), "member_id": str(member), "payload": document}


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
