"""Tempo documents to rows: the typed columns of :mod:`tables`, with the whole document beside them.

Every function is pure. A missing field is null; a value of a wrong type is null in its column and whole in the
payload.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import day, moment, part, text, whole

Document = dict[str, Any]
Row = dict[str, Any]

#: The work attribute that holds the account.
ACCOUNT_ATTRIBUTE = "_Account_"


def worklog(document: Document) -> Row:
    """One worklog."""
    attributes = _attributes(document.get("attributes"))
    start_date = day(document.get("startDate"))
    return {
        "id": str(document["tempoWorklogId"]),
        "issue_id": part(document.get("issue"), "id"),
        "author_id": part(document.get("author"), "accountId"),
        "start_date": start_date,
        "start_time": _wall_time(document.get("startTime")),
        "started_at": moment(document.get("startDateTimeUtc")),
        "work_month": f"{start_date:%Y-%m}" if start_date else None,
        "time_spent_seconds": whole(document.get("timeSpentSeconds")),
        "billable_seconds": whole(document.get("billableSeconds")),
        "description": text(document.get("description")),
        "account_key": text(attributes.get(ACCOUNT_ATTRIBUTE)),
        "attributes": orjson.dumps(attributes).decode(),
        "created_at": moment(document.get("createdAt")),
        "updated_at": moment(document.get("updatedAt")),
        "payload": document,
    }


def _wall_time(value: object) -> str | None:
    """HH:MM:SS; the vendor writes it so, and as seconds since midnight in webhooks and in its own example."""
    if isinstance(value, str) and ":" in value:
        return value
    seconds = int(value) if isinstance(value, str) and value.isdigit() else whole(value)
    if seconds is None or not 0 <= seconds < 86_400:
        return text(value)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _attributes(value: object) -> dict[str, Any]:
    values = value.get("values") if isinstance(value, dict) else None
    listed = values if isinstance(values, list) else []
    return {str(item["key"]): item.get("value") for item in listed if isinstance(item, dict) and "key" in item}


def plan(document: Document) -> Row:
    """One plan."""
    item = document.get("planItem")
    item_id, item_type = part(item, "id"), part(item, "type")
    return {
        "id": str(document["id"]),
        "assignee_id": part(document.get("assignee"), "id"),
        "assignee_type": part(document.get("assignee"), "type"),
        "item_id": item_id,
        "item_type": item_type,
        "issue_id": item_id if item_type == "ISSUE" else None,
        "start_date": day(document.get("startDate")),
        "end_date": day(document.get("endDate")),
        "effort_type": text(document.get("effortPersistenceType")),
        "planned_seconds_per_day": whole(document.get("plannedSecondsPerDay")),
        "total_planned_seconds": whole(document.get("totalPlannedSeconds")),
        "rule": text(document.get("rule")),
        "recurrence_end_date": day(document.get("recurrenceEndDate")),
        "includes_non_working_days": _flag(document.get("includeNonWorkingDays")),
        "description": text(document.get("description")),
        "creator_id": text(document.get("planCreatorId")),
        "created_at": moment(document.get("createdAt")),
        "updated_at": moment(document.get("updatedAt")),
        "payload": document,
    }


def account(document: Document) -> Row:
    """One account."""
    category = document.get("category")
    customer = document.get("customer")
    return {
        "id": str(document["id"]),
        "key": text(document.get("key")),
        "name": text(document.get("name")),
        "status": text(document.get("status")),
        "is_global": _flag(document.get("global")),
        "lead_id": part(document.get("lead"), "accountId"),
        "monthly_budget": whole(document.get("monthlyBudget")),
        "category_key": part(category, "key"),
        "category_type": part(category.get("type"), "name") if isinstance(category, dict) else None,
        "customer_key": part(customer, "key"),
        "customer_name": part(customer, "name"),
        "payload": document,
    }


def team(document: Document) -> Row:
    """One team."""
    program = document.get("program")
    return {
        "id": str(document["id"]),
        "name": text(document.get("name")),
        "summary": text(document.get("summary")),
        "lead_id": part(document.get("lead"), "accountId"),
        "program_id": part(program, "id"),
        "program_name": part(program, "name"),
        "is_administrative": _flag(document.get("administrative")),
        "payload": document,
    }


def team_member(document: Document) -> Row:
    """One membership."""
    role = document.get("role")
    after = day(document.get("to"))
    return {
        "id": str(document["id"]),
        "team_id": part(document.get("team"), "id"),
        "member_id": part(document.get("member"), "accountId"),
        "role_id": part(role, "id"),
        "role_name": part(role, "name"),
        "commitment_percent": whole(document.get("commitmentPercent")),
        "start_date": day(document.get("from")),
        "last_date": day(document.get("inclusiveTo")) or (after - timedelta(days=1) if after else None),
        "payload": document,
    }


def workload_scheme(document: Document) -> Row:
    """One workload scheme."""
    listed = document.get("days")
    days = {
        str(item["day"]): whole(item.get("requiredSeconds"))
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, dict) and "day" in item
    }
    return {
        "id": str(document["id"]),
        "name": text(document.get("name")),
        "description": text(document.get("description")),
        "is_default": _flag(document.get("defaultScheme")),
        "member_total": whole(document.get("memberCount")),
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
