"""The meetings of a team until now: about its tickets, and one planning per week."""

from __future__ import annotations

from impulsum_pipelines.sandbox.fireflies.meetings import Meeting, Meetings, conversation
from impulsum_pipelines.sandbox.team import Person, Team, Ticket

_MINUTE = 60_000
_DAY = 24 * 60 * _MINUTE
#: How many other tickets than the featured ones had a meeting, and how many weeks a planning.
MOST_TICKETS, WEEKS = 30, 12
#: Every meeting of the history is older than this, ms: it has ended and is processed.
YOUNGEST = 3 * 60 * _MINUTE


def build_world(team: Team) -> Meetings:
    """The meetings of a team; the same for the same seed."""
    meetings = Meetings(team)
    now = team.clock.now()
    for ticket in team.featured:
        _about(meetings, ticket, now)
    others = [ticket for ticket in team.tickets if ticket not in team.featured]
    for ticket in meetings.chance.sample(others, min(MOST_TICKETS, len(others))):
        _about(meetings, ticket, now)
    for week in range(WEEKS):
        _planning(meetings, now - YOUNGEST - week * 7 * _DAY - meetings.chance.randrange(_DAY))
    return meetings


def hold(
    meetings: Meetings,
    *,
    title: str,
    date: int,
    minutes: float,
    organizer: Person,
    about: str,
    size: int = 4,
    tasks: bool = True,
) -> Meeting:
    """Hold a meeting of ``size`` people at ``date`` (epoch ms), with ``tasks`` if it ended with promises."""
    people = meetings.people(size, organizer)
    chance = meetings.chance
    return meetings.add(
        Meeting(
            id=meetings.new_id(),
            title=title,
            date=date,
            minutes=minutes,
            organizer=organizer,
            people=people,
            lines=conversation(chance, people, about, chance.randrange(10, 40)),
            tasks=[
                (people[0].number, f"Finish {about}"),
                (people[-1].number, f"Review {about}"),
                (None, "Tell the customers"),
            ]
            if tasks
            else [],
            privacy=chance.choice(("teammates", "teammatesandparticipants", "participants", "link")),
        )
    )


def _about(meetings: Meetings, ticket: Ticket, now: int) -> None:
    latest = min(ticket.resolved or now, now - YOUNGEST)
    hold(
        meetings,
        title=f"{ticket.key} {ticket.summary}",
        date=max(ticket.created, min(ticket.started, latest)),
        minutes=meetings.chance.choice((15.0, 30.0, 45.5)),
        organizer=ticket.assignee,
        about=ticket.key,
    )


def _planning(meetings: Meetings, date: int) -> None:
    organizer = meetings.chance.choice(meetings.team.people)
    hold(meetings, title="Weekly planning", date=date, minutes=60.0, organizer=organizer, about="the week", size=6)
