"""The team whose work every service of the sandbox shows a side of: its people, and the tickets that they work on.

Taken from the Jira site as it stands when it is first asked for. Each service grows its own history out of it (pull
requests that name the keys, threads about them, hours on them), so that one piece of work can be followed through
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from random import Random

from impulsum_pipelines.sandbox.clock import Clock, to_ms
from impulsum_pipelines.sandbox.jira.world import JiraWorld
from impulsum_pipelines.sources.base.values import as_datetime

#: Of a large site only the newest tickets are worked on in the other services.
MOST_TICKETS = 400
#: Tickets that every service says something about.
FEATURED = 3


@dataclass(frozen=True)
class Person:
    """One member of the team, with the names that the services know them by.

    Args:
        number: counts from 0; stable for a seed.
        name: display name.
        email: address, the same in every service that shows one.
        jira_id: Atlassian account id, the same in whatever is added to the site.
        login: login at the code host.
    """

    number: int
    name: str
    email: str
    jira_id: str
    login: str


@dataclass(frozen=True)
class Ticket:
    """One Jira issue as far as others speak of it. Times are epoch milliseconds.

    Args:
        id, key, summary, project: as in Jira.
        assignee: who works on it.
        created: when it was made.
        started: about when work on it began.
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
        """A source of chance for one service: the same for the same seed, whatever the others draw."""
        return Random(f"{self.seed}-{service}")

    @cached_property
    def people(self) -> list[Person]:
        """Who works in the team: active human accounts, without the token's. One that hides its address gets one."""
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
        """The newest tickets, oldest first. Unassigned ones are worked on by somebody all the same."""
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
        """The tickets done last: every service has something about each of them."""
        done = [ticket for ticket in self.tickets if ticket.resolved]
        return sorted(done, key=lambda ticket: (ticket.resolved or 0, ticket.id))[-FEATURED:]


def _moment(value: object) -> datetime:
    parsed = as_datetime(value)
    if parsed is None:
        raise ValueError(f"{value!r} is no time")
    return parsed
