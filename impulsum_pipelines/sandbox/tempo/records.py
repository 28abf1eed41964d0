"""The records of Tempo: worklogs, plans, accounts, teams, memberships, workload schemes, and the audit log.

Times are epoch milliseconds, as the sandbox's clock gives them; Tempo itself shows whole seconds. The work date and
start time of a worklog are local time where the worker sat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any
from zoneinfo import ZoneInfo

from impulsum_pipelines.sandbox.clock import to_datetime

Columns = dict[str, Any]


WEEK = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def stamp(ms: int) -> str:
    """An instant as Tempo writes it: UTC, whole seconds."""
    return f"{to_datetime(ms):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Worklog:
    """Hours of one person on one issue and day.

    Args:
        jira_id: the Jira worklog that shows the same hours; None where Jira has none.
    """

    id: int
    issue_id: int
    author: str
    start_date: date
    start_time: str
    zone: str
    seconds: int
    billable: int
    description: str
    account: str
    created: int
    updated: int
    jira_id: int | None = None

    @property
    def start_utc(self) -> datetime:
        """The start in UTC, converted with the worker's zone at the time of the entry."""
        wall = datetime.combine(self.start_date, time_of_day.fromisoformat(self.start_time), ZoneInfo(self.zone))
        return wall.astimezone(UTC)

    def document(self, base: str) -> Columns:
        """The document of ``/worklogs``: it has only the id of the issue, and no id of Jira's own worklog."""
        itself = f"{base}/worklogs/{self.id}"
        return {
            "self": itself,
            "tempoWorklogId": self.id,
            "issue": {"self": f"https://sandbox.atlassian.net/rest/api/2/issue/{self.issue_id}", "id": self.issue_id},
            "timeSpentSeconds": self.seconds,
            "billableSeconds": self.billable,
            "startDate": self.start_date.isoformat(),
            "startTime": self.start_time,
            "startDateTimeUtc": f"{self.start_utc:%Y-%m-%dT%H:%M:%SZ}",
            "description": self.description,
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.updated),
            "author": _user(self.author),
            "attributes": {
                "self": f"{itself}/work-attribute-values",
                "values": [{"key": "_Account_", "value": self.account}],
            },
        }

    def columns(self) -> Columns:
        """The columns that must be stored."""
        return {
            "issue_id": str(self.issue_id),
            "author_id": self.author,
            "start_date": self.start_date.isoformat(),
            "start_time": self.start_time,
            "started_at": self.start_utc.isoformat(),
            "time_spent_seconds": self.seconds,
            "billable_seconds": self.billable,
            "account_key": self.account,
            "description": self.description,
            "created_at": stamp(self.created),
            "updated_at": stamp(self.updated),
        }


@dataclass
class Plan:
    """Time planned for one person on one issue, each working day of a span."""

    id: int
    issue_id: int
    assignee: str
    start: date
    end: date
    seconds_per_day: int
    description: str
    creator: str
    created: int
    updated: int

    def in_scope(self, first: date, last: date) -> int:
        """Seconds planned on the working days of a span: the total depends on the days asked for."""
        days = (min(self.end, last) - max(self.start, first)).days + 1
        worked = sum((max(self.start, first) + timedelta(days=n)).weekday() < 5 for n in range(max(days, 0)))
        return worked * self.seconds_per_day

    def document(self, base: str, first: date, last: date) -> Columns:
        """The document of ``/plans``, for the span of days that was asked for."""
        return {
            "self": f"{base}/plans/{self.id}",
            "id": self.id,
            "startDate": self.start.isoformat(),
            "endDate": self.end.isoformat(),
            "startTime": "09:00",
            "plannedSecondsPerDay": self.seconds_per_day,
            "totalPlannedSecondsInScope": self.in_scope(first, last),
            "effortPersistenceType": "SECONDS_PER_DAY",
            "includeNonWorkingDays": False,
            "rule": "NEVER",
            "syncSource": "NONE",
            "description": self.description,
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.updated),
            "planCreatorId": self.creator,
            "assignee": {**_user(self.assignee, "id"), "type": "USER"},
            "planItem": {
                "self": f"https://sandbox.atlassian.net/rest/api/2/issue/{self.issue_id}",
                "id": str(self.issue_id),
                "type": "ISSUE",
            },
            "plannedTime": {"metadata": {"all": f"{base}/plans/{self.id}"}},
        }

    def columns(self) -> Columns:
        """The columns that must be stored."""
        return {
            "issue_id": str(self.issue_id),
            "assignee_id": self.assignee,
            "start_date": self.start.isoformat(),
            "end_date": self.end.isoformat(),
            "planned_seconds_per_day": self.seconds_per_day,
            "description": self.description,
            "creator_id": self.creator,
            "created_at": stamp(self.created),
            "updated_at": stamp(self.updated),
        }


@dataclass
class TempoAccount:
    """An account that hours are billed to. The list shows OPEN and CLOSED accounts, never ARCHIVED ones."""

    id: int
    key: str
    name: str
    status: str
    lead: str
    is_global: bool
    customer: str | None = None

    def document(self, base: str) -> Columns:
        """The document of ``/accounts``."""
        itself = f"{base}/accounts/{self.key}"
        document: Columns = {
            "self": itself,
            "key": self.key,
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "global": self.is_global,
            "lead": _user(self.lead),
            "category": {
                "self": f"{base}/account-categories/DEV",
                "key": "DEV",
                "id": 1,
                "name": "Development",
                "type": {"name": "CAPITALIZED"},
            },
            "links": {"self": f"{itself}/links"},
        }
        if self.customer:
            customer = {"self": f"{base}/customers/{self.customer}", "key": self.customer, "id": 1}
            document["customer"] = {**customer, "name": self.customer.title()}
        return document

    def columns(self) -> Columns:
        """The columns that must be stored."""
        return {
            "key": self.key,
            "name": self.name,
            "status": self.status,
            "lead_id": self.lead,
            "is_global": self.is_global,
            "customer_key": self.customer,
        }


@dataclass
class TempoTeam:
    """A team. The token's user may not see a hidden one."""

    id: int
    name: str
    lead: str
    summary: str
    hidden: bool = False

    def document(self, base: str) -> Columns:
        """The document of ``/teams``."""
        itself = f"{base}/teams/{self.id}"
        return {
            "self": itself,
            "id": self.id,
            "name": self.name,
            "summary": self.summary,
            "lead": _user(self.lead),
            "program": {"self": f"{base}/programs/1", "id": 1, "name": "Delivery"},
            "administrative": False,
            "links": {"self": f"{itself}/links"},
            "members": {"self": f"{itself}/members"},
            "permissions": {"self": f"{itself}/permissions"},
        }

    def columns(self) -> Columns:
        """The columns that must be stored."""
        return {"name": self.name, "lead_id": self.lead, "summary": self.summary, "program_name": "Delivery"}


@dataclass
class Membership:
    """One person's time in a team; ``last`` is its last day, None while it continues."""

    id: int
    team: TempoTeam
    member: str
    percent: int
    first: date | None
    last: date | None = None

    def document(self, base: str) -> Columns:
        """The document of a search. ``to`` is the day after the last one: Tempo's only date that is exclusive."""
        document: Columns = {
            "self": f"{base}/team-memberships/{self.id}",
            "id": self.id,
            "commitmentPercent": self.percent,
            "role": {"self": f"{base}/roles/1", "id": 1, "name": "Member"},
            "team": {"self": f"{base}/teams/{self.team.id}", "id": self.team.id, "name": self.team.name},
            "member": _user(self.member),
        }
        if self.first:
            document["from"] = self.first.isoformat()
        if self.last:
            document["to"] = (self.last + timedelta(days=1)).isoformat()
            document["inclusiveTo"] = self.last.isoformat()
        return document

    def columns(self) -> Columns:
        """The columns that must be stored."""
        return {
            "team_id": str(self.team.id),
            "member_id": self.member,
            "commitment_percent": self.percent,
            "start_date": self.first.isoformat() if self.first else None,
            "last_date": self.last.isoformat() if self.last else None,
        }


@dataclass
class WorkloadScheme:
    """How many seconds its members must work on each day of the week, Monday first."""

    id: int
    name: str
    seconds: tuple[int, ...]
    is_default: bool
    members: list[str]

    def document(self, base: str) -> Columns:
        """The document of ``/workload-schemes``."""
        return {
            "self": f"{base}/workload-schemes/{self.id}",
            "id": self.id,
            "name": self.name,
            "description": f"{sum(self.seconds) // 3600} hours a week",
            "defaultScheme": self.is_default,
            "memberCount": len(self.members),
            "days": [{"day": day, "requiredSeconds": seconds} for day, seconds in zip(WEEK, self.seconds, strict=True)],
        }

    def columns(self) -> Columns:
        """The columns that must be stored."""
        return {
            "name": self.name,
            "is_default": self.is_default,
            "member_total": len(self.members),
            "week_seconds": sum(self.seconds),
        }


@dataclass(frozen=True)
class AuditEvent:
    """One entry of the audit log."""

    at: int
    action: str
    entity_type: str
    entity_id: int
    author: str
    worker: str | None = None
    changes: list[dict[str, str | None]] = field(default_factory=list)

    @property
    def document(self) -> Columns:
        """The document of ``/papertrail/search``."""
        document: Columns = {
            "action": self.action,
            "author": self.author,
            "changes": self.changes,
            "entityId": str(self.entity_id),
            "entityType": self.entity_type,
            "parentId": "",
            "timestamp": f"{to_datetime(self.at).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z",
        }
        if self.worker:
            document["worker"] = self.worker
        return document


def _user(account_id: str, name: str = "accountId") -> Columns:
    return {"self": f"https://sandbox.atlassian.net/rest/api/2/user?accountId={account_id}", name: account_id}
