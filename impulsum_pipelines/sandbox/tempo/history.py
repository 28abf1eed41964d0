"""Tempo's history, made from the team's tickets: who logged hours on what and when, and what was planned.

As on a real site, each of Jira's worklogs also exists in Tempo; on a few issues the two differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

import orjson

from impulsum_pipelines.sandbox.clock import to_datetime, to_ms
from impulsum_pipelines.sandbox.hours import Entry, entries, workday, zone_of
from impulsum_pipelines.sandbox.team import Person, Team, Ticket
from impulsum_pipelines.sandbox.tempo.records import Membership, Plan, TempoAccount, TempoTeam, WorkloadScheme, Worklog
from impulsum_pipelines.sandbox.tempo.world import TempoWorld
from impulsum_pipelines.sources.base.values import as_datetime

#: One in this many issues with hours differs between Tempo and Jira.
ODD = 12
INTERNAL = "INTERNAL"


def build_world(team: Team) -> TempoWorld:
    """The records of Tempo with the team's history; the same for the same seed."""
    rng = team.rng("tempo")
    world = TempoWorld(team.clock, team.people[0].jira_id)
    _accounts(world, team)
    _teams(world, team)
    _schemes(world, team)
    for worklog in sorted(_disagree(team, rng, _mirrored(team, rng)), key=lambda worklog: worklog.created):
        world.log(replace(worklog, id=world.next_id("worklog")))
    _deleted(world, team, rng)
    _plans(world, team, rng)
    world.audit.sort(key=lambda event: event.at)
    return world


def account_key(key: str) -> str:
    """The account to which the hours of an issue go."""
    return f"{key.rpartition('-')[0]}-DEV"


def _accounts(world: TempoWorld, team: Team) -> None:
    lead = team.people[0].jira_id
    projects = sorted({ticket.project for ticket in team.tickets})
    named = [(f"{project}-DEV", f"{project}: development", "OPEN", False) for project in projects]
    named += [(INTERNAL, "Internal", "OPEN", True), ("MIGRATION", "Data migration", "CLOSED", False)]
    for key, name, status, is_global in named:
        number = world.next_id("account")
        customer = None if is_global else "NORTHWIND"
        world.accounts[number] = TempoAccount(number, key, name, status, lead, is_global, customer)


def _teams(world: TempoWorld, team: Team) -> None:
    """Add one team per project, with everybody who works on its tickets; one person has left the first team."""
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


def _schemes(world: TempoWorld, team: Team) -> None:
    """Add two schemes: people with half a membership work in the mornings, all others full time."""
    full, part = (world.next_id("workload scheme") for _ in range(2))
    halves = [person.jira_id for person in team.people if person.number % 4 == 3]
    others = [person.jira_id for person in team.people if person.jira_id not in halves]
    world.workload_schemes[full] = WorkloadScheme(full, "Full time", (28_800,) * 5 + (0, 0), True, others)
    world.workload_schemes[part] = WorkloadScheme(part, "Mornings", (14_400,) * 5 + (0, 0), False, halves)


def _mirrored(team: Team, rng: Random) -> list[Worklog]:
    """Jira's worklogs as Tempo stores them: the same hours on each issue."""
    people = {person.jira_id: person for person in team.people}
    keys = {ticket.id: ticket.key for ticket in team.tickets}
    rows = team.world.store.db.execute("SELECT id, issue_id, document FROM worklogs ORDER BY id").fetchall()
    found = []
    for jira_id, issue_id, content in rows:
        document = orjson.loads(content)
        person = people.get(document["author"]["accountId"])
        began, created, updated = (as_datetime(document[name]) for name in ("started", "created", "updated"))
        if person and began and created and updated:
            key = keys.get(issue_id) or team.world.store.issue(issue_id).key
            entry = Entry(issue_id, to_ms(began), document["timeSpentSeconds"], to_ms(created), to_ms(updated))
            found.append(replace(_worklog(rng, person, key, entry), jira_id=jira_id))
    return found


def _disagree(team: Team, rng: Random, mirrored: list[Worklog]) -> list[Worklog]:
    """The worklogs with a few differences from Jira, as on a real site.

    Some hours were edited in Tempo, and some are in only one of the two. A featured ticket differs only
    when Jira has no hours on it: then it gets some in Tempo.
    """
    tickets = {ticket.id: ticket for ticket in team.tickets}
    featured = {ticket.id for ticket in team.featured}
    in_jira = {worklog.issue_id for worklog in mirrored}
    chosen = rng.sample(sorted(in_jira - featured), len(in_jira - featured) // ODD)
    edited, only_jira, only_tempo = chosen[::3], chosen[1::3], chosen[2::3]
    found = [worklog for worklog in mirrored if worklog.issue_id not in only_jira]
    for issue_id in edited:
        next(worklog for worklog in found if worklog.issue_id == issue_id).seconds += 1800
    for issue_id in sorted((featured - in_jira) | (tickets.keys() & only_tempo)):
        found += _only_in_tempo(team, rng, tickets[issue_id])
    return found


def _only_in_tempo(team: Team, rng: Random, ticket: Ticket) -> Iterator[Worklog]:
    """One entry on a ticket that Jira does not have."""
    for entry in entries(rng, team, ticket, 1):
        yield _worklog(rng, ticket.assignee, ticket.key, entry)


def _worklog(rng: Random, person: Person, key: str, entry: Entry) -> Worklog:
    """An entry as Tempo stores it, without its id."""
    wall = to_datetime(entry.began).astimezone(ZoneInfo(zone_of(person)))
    return Worklog(
        id=0,
        issue_id=entry.issue_id,
        author=person.jira_id,
        start_date=wall.date(),
        start_time=f"{wall:%H:%M:%S}",
        zone=zone_of(person),
        seconds=entry.seconds,
        billable=0 if rng.random() < 0.15 else entry.seconds,
        description=f"Working on issue {key}",
        account=account_key(key) if rng.random() < 0.9 else INTERNAL,
        created=entry.created,
        updated=entry.updated,
    )


def _deleted(world: TempoWorld, team: Team, rng: Random) -> None:
    """Add entries that were mistakes and are deleted, in Jira too: only the audit log of the last months has them."""
    for ticket in rng.sample(team.tickets, min(3, len(team.tickets))):
        for mistake in _only_in_tempo(team, rng, ticket):
            number = world.log(replace(mistake, id=world.next_id("worklog"))).id
            gone = world.worklogs.pop(number)
            world.note(min(gone.updated + 3_600_000, world.clock.now()), "Deleted", "worklog", number, gone.author)


def _plans(world: TempoWorld, team: Team, rng: Random) -> None:
    """Add plans for the featured tickets, and for open tickets in the next two weeks."""
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
