"""The team whose work all services of the sandbox show: its people, and the tickets that they work on.

People and tickets are read from the Jira site when they are first needed. Each service makes its own history out of
them (pull requests that name the keys, threads about them, hours on them), so that one piece of work can be followed
through all services.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from random import Random

from impulsum_pipelines.sandbox.clock import Clock, to_ms
from impulsum_pipelines.sandbox.jira.world import JiraWorld
from impulsum_pipelines.sources.base.values import as_datetime

#: The other services show work on the newest tickets only: at most this many.
MOST_TICKETS = 400
#: How many tickets every service has something about.
FEATURED = 3


@dataclass(frozen=True)
class Person:
    """One member of the team, with the names that the services use.

    Args:
        number: counts from 0; the same for the same seed.
        name: display name.
        email: address, the same in every service that shows one.
        jira_id: Atlassian account id, the same in every app of the site.
        login: login name at the code host.
    """

    number: int
    name: str
    email: str
    jira_id: str
    login: str


@dataclass(frozen=True)
class Ticket:
    """One Jira issue, with what the other services need of it. Times are epoch milliseconds.

    Args:
        id, key, summary, project: as in Jira.
        assignee: who works on it.
        created: when it was made.
        started: roughly when work on it began.
        resolved: when it was done; None while it is not.
        done: whether its status is done.
    """

    id: int
    key: str
    summary: str
    project: str
    assignee: Person
    created: int
    started: int
    resolved: int | None
    done: bool


class Team:
    """The people and tickets of one Jira site.

    Args:
        world: the site.
    """

    def __init__(self, world: JiraWorld) -> None:
        self.world = world
        self.seed = world.seed or 0

    @property
    def clock(self) -> Clock:
        """The one clock of all services."""
        return self.world.clock

    def rng(self, service: str) -> Random:
        """A random generator for one service: the same for the same seed, independent of the other services."""
        return Random(f"{self.seed}-{service}")

    @cached_property
    def people(self) -> list[Person]:
        """The members: active human accounts without the token's. Who hides the e-mail address gets another one."""
        site = self.world.site
        members = [
            user
            for user in site.users.values()
            if user.active and user.account_type == "atlassian" and user is not site.account
        ]
        return [
            Person(
                number=number,
                name=user.name,
                email=user.email or f"person-{number}@example.com",
                jira_id=user.account_id,
                login=user.name.lower().replace(" ", "-"),
            )
            for number, user in enumerate(sorted(members, key=lambda user: user.account_id))
        ]

    @cached_property
    def tickets(self) -> list[Ticket]:
        """The newest tickets, oldest first. Somebody works on the unassigned ones too."""
        store = self.world.store
        newest = store.db.execute("SELECT id FROM issues ORDER BY id DESC LIMIT ?", [MOST_TICKETS]).fetchall()
        of = {person.jira_id: person for person in self.people}
        found = []
        for (issue_id,) in reversed(newest):
            issue = store.issue(issue_id)
            fields = issue.fields
            created = to_ms(_moment(fields["created"]))
            resolved = to_ms(_moment(fields["resolutiondate"])) if fields.get("resolutiondate") else None
            assignee = of.get(str((fields.get("assignee") or {}).get("accountId")))
            found.append(
                Ticket(
                    id=issue.id,
                    key=issue.key,
                    summary=str(fields["summary"]),
                    project=str(fields["project"]["key"]),
                    assignee=assignee or self.people[issue.id % len(self.people)],
                    created=created,
                    started=created + ((resolved or self.clock.now()) - created) // 3,
                    resolved=resolved,
                    done=fields["status"]["statusCategory"]["key"] == "done",
                )
            )
        return found

    @cached_property
    def featured(self) -> list[Ticket]:
        """The tickets that were done last; every service has something about each of them."""
        done = [ticket for ticket in self.tickets if ticket.resolved]
        return sorted(done, key=lambda ticket: (ticket.resolved or 0, ticket.id))[-FEATURED:]


def _moment(value: object) -> datetime:
    parsed = as_datetime(value)
    if parsed is None:
        raise ValueError(f"{value!r} is not a time")
    return parsed
