"""The records of Tempo as they are now, the audit log, what the token's user may see, and the edits."""

from __future__ import annotations

import itertools
from datetime import date
from typing import TypeVar

from impulsum_pipelines.sandbox.clock import Clock, to_datetime
from impulsum_pipelines.sandbox.hours import DAY_MS
from impulsum_pipelines.sandbox.tempo.records import (
    AuditEvent,
    Membership,
    Plan,
    TempoAccount,
    TempoTeam,
    WorkloadScheme,
    Worklog,
)

#: How many days the audit log reaches back.
AUDIT_DAYS = 180

Kept = TypeVar("Kept", Worklog, Plan, TempoAccount, TempoTeam, Membership)


class TempoWorld:
    """The records of one Tempo.

    Args:
        clock: the clock of all services.
        user: account id of the token's user.
    """

    def __init__(self, clock: Clock, user: str) -> None:
        self.clock = clock
        self.user = user
        self.worklogs: dict[int, Worklog] = {}
        self.plans: dict[int, Plan] = {}
        self.accounts: dict[int, TempoAccount] = {}
        self.teams: dict[int, TempoTeam] = {}
        self.memberships: dict[int, Membership] = {}
        self.workload_schemes: dict[int, WorkloadScheme] = {}
        self.audit: list[AuditEvent] = []
        self.token_revoked = False
        #: Whether the token's user sees only own worklogs.
        self.restricted = False
        #: What the user may not read: ``audit``, ``plans``, ``accounts``, ``teams``, ``worklogs``, ``schemes``.
        self.denied: set[str] = set()
        #: The most results per page, also when more are asked for.
        self.page_limit = 5_000
        self._numbers = {name: itertools.count(first) for name, first in _FIRST_NUMBERS.items()}

    def next_id(self, kind: str) -> int:
        """The next free id of a kind of record."""
        return next(self._numbers[kind])

    # -- what the user sees

    def seen_worklogs(self) -> list[Worklog]:
        """The worklogs that the token's user may see."""
        return [w for w in self.worklogs.values() if not self.restricted or w.author == self.user]

    def seen_teams(self) -> list[TempoTeam]:
        """The teams that the token's user may see."""
        return [team for team in self.teams.values() if not team.hidden]

    def truth(self) -> dict[str, dict[str, dict[str, object]]]:
        """Every record that the user can see, with the columns that must be stored, by raw table and id."""
        sight = {team.id for team in self.seen_teams()}
        return {
            "worklogs": {str(w.id): w.columns() for w in self.seen_worklogs()},
            "plans": {str(p.id): p.columns() for p in self.plans.values()},
            "accounts": {str(a.id): a.columns() for a in self.accounts.values() if a.status != "ARCHIVED"},
            "teams": {str(t.id): t.columns() for t in self.seen_teams()},
            "team_members": {str(m.id): m.columns() for m in self.memberships.values() if m.team.id in sight},
            "workload_schemes": {str(s.id): s.columns() for s in self.workload_schemes.values()},
            "workload_scheme_members": {
                f"{s.id}:{member}": {"scheme_id": str(s.id), "member_id": member}
                for s in self.workload_schemes.values()
                for member in s.members
            },
        }

    # -- edits

    def log(self, worklog: Worklog) -> Worklog:
        """Add a worklog, and the entry of the audit log for it, at the time when it was made."""
        self.worklogs[worklog.id] = worklog
        self.note(worklog.created, "Created", "worklog", worklog.id, worklog.author)
        return worklog

    def touch(self, worklog: Worklog, **changes: object) -> Worklog:
        """Change a worklog now; its id stays, even when the work date changes."""
        at = self.clock.tick()
        noted: list[dict[str, str | None]] = [
            {"field": name, "previous": str(getattr(worklog, name)), "new": str(value)}
            for name, value in changes.items()
        ]
        for name, value in changes.items():
            setattr(worklog, name, value)
        worklog.updated = at
        self.note(at, "Updated", "worklog", worklog.id, worklog.author, noted)
        return worklog

    def delete_worklog(self, worklog_id: int) -> None:
        """Delete a worklog: from now on only the audit log shows that it existed."""
        gone = self.worklogs.pop(worklog_id)
        self.note(self.clock.tick(), "Deleted", "worklog", gone.id, gone.author)

    def delete_plan(self, plan_id: int) -> None:
        """Delete a plan; the audit log calls it an allocation."""
        gone = self.plans.pop(plan_id)
        self.note(self.clock.tick(), "Deleted", "allocation", gone.id, gone.assignee)

    def note(
        self,
        at: int,
        action: str,
        entity_type: str,
        entity_id: int,
        worker: str | None = None,
        changes: list[dict[str, str | None]] | None = None,
    ) -> None:
        """Add an entry to the audit log."""
        self.audit.append(AuditEvent(at, action, entity_type, entity_id, worker or self.user, worker, changes or []))

    def today(self) -> date:
        """The day of the clock, in UTC."""
        return to_datetime(self.clock.now()).date()

    def audit_begins(self) -> int:
        """The earliest instant (epoch ms) for which the audit log may be asked."""
        return self.clock.now() - AUDIT_DAYS * DAY_MS


_FIRST_NUMBERS = {"worklog": 1001, "plan": 501, "account": 21, "team": 31, "membership": 301, "workload scheme": 1}
