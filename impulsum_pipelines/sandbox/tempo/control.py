"""Tempo's verbs at the control door, ``POST /_sandbox/tempo/<verb>``."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from impulsum_pipelines.sandbox.hours import ZONES
from impulsum_pipelines.sandbox.team import Person, Team
from impulsum_pipelines.sandbox.tempo.limits import TempoLimits
from impulsum_pipelines.sandbox.tempo.records import Membership, Plan, Worklog
from impulsum_pipelines.sandbox.tempo.world import TempoWorld

Answer = dict[str, Any]


class TempoControl:
    """The verbs. Issues are named by key or id, people by account id or number, records by id."""

    def __init__(self, world: TempoWorld, team: Team, limit: TempoLimits) -> None:
        self._world = world
        self._team = team
        self._limit = limit

    def _issue(self, issue: str | int | None) -> int:
        found = self._team.world.store.find(str(issue if issue is not None else self._team.featured[-1].key))
        if found is None:
            raise LookupError(f"there is no issue {issue}")
        return found

    def _person(self, person: str | int) -> Person:
        for found in self._team.people:
            if person in (found.number, found.jira_id):
                return found
        raise LookupError(f"there is no person {person}")

    # -- reading

    def truth(self) -> Answer:
        """Every record that the source must have stored now, by raw table and id."""
        return self._world.truth()

    def limits(self) -> Answer:
        """How many requests the limit refused."""
        return {"refused": self._limit.refused}

    def people(self) -> Answer:
        """The account ids of the team, and of the token's user."""
        return {"people": [person.jira_id for person in self._team.people], "user": self._world.user}

    # -- hours

    def log(
        self,
        issue: str | int | None = None,
        person: str | int = 1,
        seconds: int = 3600,
        days_ago: int = 0,
        start_time: str = "09:00:00",
        zone: str = ZONES[0],
        description: str = "Work",
        account: str = "INTERNAL",
    ) -> Answer:
        """Log hours now, for today or (back-dated) for an earlier day."""
        at = self._world.clock.tick()
        worklog = Worklog(
            id=self._world.next_id("worklog"),
            issue_id=self._issue(issue),
            author=self._person(person).jira_id,
            start_date=self._world.today() - timedelta(days=days_ago),
            start_time=start_time,
            zone=zone,
            seconds=seconds,
            billable=seconds,
            description=description,
            account=account,
            created=at,
            updated=at,
        )
        return {"id": self._world.log(worklog).id}

    def edit(
        self,
        worklog: int,
        seconds: int | None = None,
        description: str | None = None,
        account: str | None = None,
        billable: int | None = None,
    ) -> Answer:
        """Edit a worklog."""
        wanted = {"seconds": seconds, "description": description, "account": account, "billable": billable}
        changes = {name: value for name, value in wanted.items() if value is not None}
        return {"id": self._world.touch(self._world.worklogs[int(worklog)], **changes).id}

    def move(self, worklog: int, issue: str | int | None = None, start_date: str | None = None) -> Answer:
        """Move a worklog to another issue, another day, or both; its id stays."""
        changes: dict[str, Any] = {}
        if issue is not None:
            changes["issue_id"] = self._issue(issue)
        if start_date is not None:
            changes["start_date"] = date.fromisoformat(start_date)
        return {"id": self._world.touch(self._world.worklogs[int(worklog)], **changes).id}

    def delete(self, worklog: int) -> Answer:
        """Delete a worklog."""
        self._world.delete_worklog(int(worklog))
        return {}

    def bulk_touch(self, count: int = 100) -> Answer:
        """Edit many worklogs within one second."""
        chosen = list(self._world.worklogs.values())[:count]
        for worklog in chosen:
            self._world.touch(worklog, description=f"{worklog.description}.")
        return {"ids": [worklog.id for worklog in chosen]}

    # -- plans

    def plan(
        self, issue: str | int | None = None, person: str | int = 1, days: int = 1, seconds_per_day: int = 14_400
    ) -> Answer:
        """Plan somebody's next days."""
        at, first = self._world.clock.tick(), self._world.today() + timedelta(days=1)
        number = self._world.next_id("plan")
        self._world.plans[number] = Plan(
            id=number,
            issue_id=self._issue(issue),
            assignee=self._person(person).jira_id,
            start=first,
            end=first + timedelta(days=days - 1),
            seconds_per_day=seconds_per_day,
            description="A plan",
            creator=self._world.user,
            created=at,
            updated=at,
        )
        self._world.note(at, "Created", "allocation", number, self._world.plans[number].assignee)
        return {"id": number}

    def edit_plan(self, plan: int, seconds_per_day: int | None = None, days: int | None = None) -> Answer:
        """Change how much is planned, or for how long."""
        changed = self._world.plans[int(plan)]
        if seconds_per_day is not None:
            changed.seconds_per_day = seconds_per_day
        if days is not None:
            changed.end = changed.start + timedelta(days=days - 1)
        changed.updated = self._world.clock.tick()
        self._world.note(changed.updated, "Updated", "allocation", changed.id, changed.assignee)
        return {"id": changed.id}

    def delete_plan(self, plan: int) -> Answer:
        """Delete a plan."""
        self._world.delete_plan(int(plan))
        return {}

    # -- accounts and teams

    def close_account(self, account: str, status: str = "CLOSED") -> Answer:
        """Close an account, named by its key; ``status`` may also be OPEN or ARCHIVED."""
        for found in self._world.accounts.values():
            if found.key == account:
                found.status = status
                self._world.note(self._world.clock.tick(), "Updated", "account", found.id)
                return {"id": found.id}
        raise LookupError(f"there is no account {account}")

    def delete_account(self, account: str) -> Answer:
        """Delete an account, named by its key."""
        for found in list(self._world.accounts.values()):
            if found.key == account:
                del self._world.accounts[found.id]
                self._world.note(self._world.clock.tick(), "Deleted", "account", found.id)
                return {"id": found.id}
        raise LookupError(f"there is no account {account}")

    def add_team_member(self, team: int, person: str | int = 1, percent: int = 100) -> Answer:
        """Add somebody to a team from today on."""
        number = self._world.next_id("membership")
        joined = self._world.teams[int(team)]
        self._world.memberships[number] = Membership(
            number, joined, self._person(person).jira_id, percent, self._world.today()
        )
        self._world.note(self._world.clock.tick(), "Created", "teammembership", number)
        return {"id": number}

    def end_membership(self, membership: int) -> Answer:
        """End a membership: today is its last day, and it is still listed."""
        self._world.memberships[int(membership)].last = self._world.today()
        self._world.note(self._world.clock.tick(), "Updated", "teammembership", int(membership))
        return {}

    def remove_team_member(self, membership: int) -> Answer:
        """Remove a membership, as if it had never existed."""
        del self._world.memberships[int(membership)]
        self._world.note(self._world.clock.tick(), "Deleted", "teammembership", int(membership))
        return {}

    def delete_team(self, team: int) -> Answer:
        """Delete a team with its memberships."""
        for membership in [m for m in self._world.memberships.values() if m.team.id == int(team)]:
            self.remove_team_member(membership.id)
        del self._world.teams[int(team)]
        self._world.note(self._world.clock.tick(), "Deleted", "team", int(team))
        return {}

    def hide_team(self, team: int, hidden: bool = True) -> Answer:
        """Hide a team from the token's user, or show it again."""
        self._world.teams[int(team)].hidden = hidden
        return {}

    def set_workload(self, scheme: int, seconds: int) -> Answer:
        """Set how long the members of a workload scheme work on each day from Monday to Friday."""
        self._world.workload_schemes[int(scheme)].seconds = (seconds,) * 5 + (0, 0)
        return {}

    def move_to_scheme(self, scheme: int, person: str | int = 1) -> Answer:
        """Move somebody to a workload scheme, and so out of the previous one."""
        member = self._person(person).jira_id
        for found in self._world.workload_schemes.values():
            found.members = [other for other in found.members if other != member]
        self._world.workload_schemes[int(scheme)].members.append(member)
        return {"member": member}

    def delete_scheme(self, scheme: int) -> Answer:
        """Delete a workload scheme; its members fall back to the default one."""
        gone = self._world.workload_schemes.pop(int(scheme))
        [default] = [found for found in self._world.workload_schemes.values() if found.is_default]
        default.members += gone.members
        return {}

    # -- the account of the token

    def revoke_token(self, revoked: bool = True) -> Answer:
        """Revoke the token, or make it valid again."""
        self._world.token_revoked = revoked
        return {}

    def restrict(self, restricted: bool = True) -> Answer:
        """Take the permission to view all worklogs: the user sees only own worklogs, and no audit log."""
        self._world.restricted = restricted
        return {}

    def deny(self, permission: str, denied: bool = True) -> Answer:
        """Take a permission (audit, plans, accounts, teams, worklogs, schemes), or give it back."""
        (self._world.denied.add if denied else self._world.denied.discard)(permission)
        return {}

    def shrink_page(self, limit: int = 5_000) -> Answer:
        """Give at most this many results per page, also when more are asked for."""
        self._world.page_limit = int(limit)
        return {}
