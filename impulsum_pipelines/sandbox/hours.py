"""Hours that the team logs on its tickets, as Jira's worklogs.

A team may record its hours in a separate tool. That tool writes one Jira worklog per entry, so both show the same work.
The worklogs are written when the site is made: a pull of Jira finds them whether or not the other tool is pulled.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from impulsum_pipelines.sandbox.clock import to_datetime, to_ms
from impulsum_pipelines.sandbox.jira.site import platform_time
from impulsum_pipelines.sandbox.jira.world import JiraWorld, worklog_document
from impulsum_pipelines.sandbox.team import Person, Team, Ticket

DAY_MS = 86_400_000

#: Where people sit. A work date is a local date: late in the day, or far from Greenwich, it differs from that in UTC.
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")


class Entry(NamedTuple):
    """Hours of one person on one issue.

    Args:
        began, created, updated: when the work began, and the entry was made and last edited; epoch milliseconds.
        seconds: how long the work took.
    """

    issue_id: int
    began: int
    seconds: int
    created: int
    updated: int


def zone_of(person: Person) -> str:
    """The time zone in which a person sits."""
    return ZONES[person.number % len(ZONES)]


def log_hours(world: JiraWorld) -> None:
    """Write the team's hours into Jira: on every featured ticket, and on many others."""
    team = Team(world)
    rng = team.rng("hours")
    featured = {ticket.id for ticket in team.featured}
    authors = {user.account_id: user for user in world.site.users.values()}
    rows = []
    spent: dict[int, int] = {}
    for ticket in team.tickets:
        wanted = rng.randint(1, 3) if ticket.id in featured else rng.choice((0, 0, 1, 2))
        for entry in entries(rng, team, ticket, wanted):
            number, author = world.next_id("worklog"), authors[ticket.assignee.jira_id]
            times = {
                "started": platform_time(entry.began),
                "created": platform_time(entry.created),
                "updated": platform_time(entry.updated),
            }
            document = worklog_document(ticket.id, number, author, entry.seconds, entry.created) | times
            rows.append((number, ticket.id, entry.updated, document))
            spent[ticket.id] = spent.get(ticket.id, 0) + entry.seconds
    world.store.add_worklogs(rows)
    for issue_id, seconds in spent.items():
        issue = world.store.issue(issue_id)
        issue.fields["timespent"] = (issue.fields.get("timespent") or 0) + seconds
        world.store.save(issue)


def entries(rng: Random, team: Team, ticket: Ticket, count: int) -> Iterator[Entry]:
    """``count`` entries on a ticket, none entered later than the newest change of a ticket."""
    newest = max((other.resolved or other.created) for other in team.tickets)
    end = ticket.resolved or min(ticket.created + 10 * DAY_MS, newest)
    for _ in range(count):
        day = workday(to_datetime(rng.randint(ticket.created, max(end, ticket.created))).date())
        yield _entry(rng, ticket, day, newest)


def _entry(rng: Random, ticket: Ticket, day: date, newest: int) -> Entry:
    hour, seconds = rng.choice((8, 9, 10, 13, 14, 19, 21)), rng.randint(2, 10) * 900
    wall = datetime.combine(day, time_of_day(hour, rng.choice((0, 30))), ZoneInfo(zone_of(ticket.assignee)))
    began = to_ms(wall.astimezone(UTC))
    # Most people enter it the same evening, some days later: an entry of today may be for work of last week.
    late = rng.choice((0, 0, 0, 1, 3, 9)) * DAY_MS
    created = began + seconds * 1000 + late + rng.randint(0, 3_000_000)
    updated = created + (rng.randint(1, 5 * 24) * 3_600_000 if rng.random() < 0.2 else 0)
    return Entry(ticket.id, began, seconds, min(created, newest), min(updated, newest))


def workday(day: date) -> date:
    """The day itself, or the Monday after a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday())) if day.weekday() >= 5 else day
