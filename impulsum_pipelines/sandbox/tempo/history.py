"""Tempo's past, grown out of the team's tickets: who logged what when, some of it in Jira too and some not.

Most of Jira's own worklogs have their twin in Tempo, as on a real site; some hours are in one of the two alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from random import Random
from zoneinfo import ZoneInfo

import orjson

from impulsum_pipelines.sandbox.clock import to_datetime, to_ms
from impulsum_pipelines.sandbox.team import Person, Team, Ticket
from impulsum_pipelines.sandbox.tempo.records import Account, Membership, Plan, TempoTeam, Worklog
from impulsum_pipelines.sandbox.tempo.world import DAY_MS, TempoWorld, workday
from impulsum_pipelines.sources.values import moment

#: Where people sit: a work date is a wall date, and differs from the date in UTC for the late and the far.
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
#: Share of Jira's worklogs that Tempo shows as well.
MIRRORED = 0.8
INTERNAL = "INTERNAL"


def grow(team: Team) -> TempoWorld:
    """A Tempo with the team's history in it; the same for the same seed."""
    rng = team.rng("tempo")
    world = TempoWorld(team.clock, team.people[0].jira_id)
    _accounts(world, team)
    _teams(world, team)
    entries = sorted([*_mirrored(team, rng), *_own(team, rng)], key=lambda worklog: worklog.created)
    for entry in entries:
        world.log(replace(entry, id=world.next_id("worklog")))
    _deleted(world, team, rng)
    _plans(world, team, rng)
    world.audit.sort(key=lambda event: event.at)
    return world


def zone_of(person: Person) -> str:
    """Where a person sits."""
    return ZONES[person.number % len(ZONES)]


def account_key(ticket: Ticket) -> str:
    """The account that a ticket's hours go to."""
    return f"{ticket.project}-DEV"


def _accounts(world: TempoWorld, team: Team) -> None:
    lead = team.people[0].jira_id
    projects = sorted({ticket.project for ticket in team.tickets})
    named = [(f"{project}-DEV", f"{project}: development", "OPEN", False) for project in projects]
    named += [(INTERNAL, "Internal", "OPEN", True), ("MIGRATION", "Data migration", "CLOSED", False)]
    for key, name, status, is_global in named:
        number = world.next_id("account")
        customer = None if is_global else "NORTHWIND"
        world.accounts[number] = Account(number, key, name, status, lead, is_global, customer)


def _teams(world: TempoWorld, team: Team) -> None:
    """A team a project, of those who work on its tickets; one person has left the first."""
    began = to_datetime(min(ticket.created for ticket in team.tickets)).date()
    for project in sorted({ticket.project for ticket in team.tickets}):
        members = {t.assignee.number: t.assignee for t in team.tickets if t.project == project}
        people = [members[number] for number in sorted(members)]
        number = world.next_id("team")
        made = TempoTeam(number, f"{project} team", people[0].jira_id, f"Works on {project}.")
        world.teams[number] = made
        for person in people:
            membership = world.next_id("membership")
            percent = 50 if person.number % 4 == 3 else 100
            first = None if person.number == 0 else began
            world.memberships[membership] = Membership(membership, made, person.jira_id, percent, first)
    former = world.next_id("membership")
    one = world.teams[min(world.teams)]
    last = began + timedelta(days=20)
    world.memberships[former] = Membership(former, one, team.people[-1].jira_id, 100, began, last)


def _mirrored(team: Team, rng: Random) -> Iterator[Worklog]:
    """Tempo's side of Jira's own worklogs. A few were edited in one of the two, and no longer agree."""
    people = {person.jira_id: person for person in team.people}
    tickets = {ticket.id: ticket for ticket in team.tickets}
    rows = team.world.store.db.execute("SELECT id, issue_id, updated, document FROM worklogs ORDER BY id").fetchall()
    for jira_id, issue_id, updated, content in rows:
        document = orjson.loads(content)
        person = people.get(document["author"]["accountId"])
        chance, slip = rng.random(), rng.random()
        started = moment(document["started"])
        if issue_id not in tickets or person is None or started is None or chance > MIRRORED:
            continue
        wall = started.astimezone(ZoneInfo(zone_of(person)))
        seconds = document["timeSpentSeconds"] + (1800 if slip < 0.05 else 0)
        ticket = tickets[issue_id]
        yield Worklog(
            id=0,
            issue_id=issue_id,
            author=person.jira_id,
            start_date=wall.date(),
            start_time=f"{wall:%H:%M:%S}",
            zone=zone_of(person),
            seconds=seconds,
            billable=seconds,
            description=f"Working on issue {ticket.key}",
            account=account_key(ticket),
            created=updated,
            updated=updated,
            jira_id=jira_id,
        )


def _own(team: Team, rng: Random) -> Iterator[Worklog]:
    """Hours that were logged in Tempo alone: on the featured tickets always, on others often."""
    featured = {ticket.id for ticket in team.featured}
    newest = max((ticket.resolved or ticket.created) for ticket in team.tickets)
    for ticket in team.tickets:
        wanted = rng.randint(1, 3) if ticket.id in featured else rng.choice((0, 0, 1, 2))
        end = ticket.resolved or min(ticket.created + 10 * DAY_MS, newest)
        for _ in range(wanted):
            day = workday(to_datetime(rng.randint(ticket.created, max(end, ticket.created))).date())
            yield _entry(rng, ticket, day, newest)


def _entry(rng: Random, ticket: Ticket, day: date, newest: int) -> Worklog:
    """Hours on a ticket and day, entered no later than the newest thing that happened in Jira."""
    person = ticket.assignee
    zone, hour = zone_of(person), rng.choice((8, 9, 10, 13, 14, 19, 21))
    seconds = rng.randint(2, 10) * 900
    wall = datetime.combine(day, time_of_day(hour, rng.choice((0, 30))), ZoneInfo(zone))
    # Most enter it in the evening, some days later: what is entered today may have been worked last week.
    late = rng.choice((0, 0, 0, 1, 3, 9)) * DAY_MS
    created = to_ms(wall.astimezone(UTC)) + seconds * 1000 + late + rng.randint(0, 3_000_000)
    updated = created + (rng.randint(1, 5 * 24) * 3_600_000 if rng.random() < 0.2 else 0)
    return Worklog(
        id=0,
        issue_id=ticket.id,
        author=person.jira_id,
        start_date=day,
        start_time=f"{wall:%H:%M:%S}",
        zone=zone,
        seconds=seconds,
        billable=0 if rng.random() < 0.15 else seconds,
        description=f"{ticket.key}: {ticket.summary}",
        account=account_key(ticket) if rng.random() < 0.9 else INTERNAL,
        created=min(created, newest),
        updated=min(updated, newest),
    )


def _deleted(world: TempoWorld, team: Team, rng: Random) -> None:
    """Some entries were mistakes: the audit log still knows those of the last months."""
    featured = {ticket.id for ticket in team.featured}
    numbers = [number for number, worklog in world.worklogs.items() if worklog.issue_id not in featured]
    for number in rng.sample(numbers, min(3, len(numbers) // 10)):
        gone = world.worklogs.pop(number)
        world.note(min(gone.updated + 3_600_000, world.clock.now()), "Deleted", "worklog", number, gone.author)


def _plans(world: TempoWorld, team: Team, rng: Random) -> None:
    """The featured tickets were planned; so is the next fortnight of whoever has open tickets."""
    today = world.today()
    open_tickets = [ticket for ticket in team.tickets if not ticket.done][-2 * len(team.people) :]
    for ticket in [*team.featured, *open_tickets]:
        number = world.next_id("plan")
        begins = to_datetime(ticket.created).date() if ticket.resolved else today + timedelta(days=rng.randint(0, 6))
        first = workday(begins)
        world.plans[number] = Plan(
            id=number,
            issue_id=ticket.id,
            assignee=ticket.assignee.jira_id,
            start=first,
            end=first + timedelta(days=rng.choice((0, 1, 4))),
            seconds_per_day=rng.choice((7_200, 14_400, 28_800)),
            description=f"Plan for {ticket.key}",
            creator=world.user,
            created=ticket.created,
            updated=ticket.created,
        )
        world.note(ticket.created, "Created", "allocation", number, ticket.assignee.jira_id)
