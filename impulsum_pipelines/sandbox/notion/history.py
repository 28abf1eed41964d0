"""The team's workspace, made from its people and tickets: specs, decisions, retrospectives, runbooks, a wiki."""

from __future__ import annotations

from random import Random

from impulsum_pipelines.sandbox.notion.world import Block, Database, DataSource, NotionPage, NotionUser, NotionWorld
from impulsum_pipelines.sandbox.team import Team, Ticket

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: How many specs (besides those of the featured tickets), decisions, retrospectives and runbooks, at most.
SPECS, DECISIONS, RETROS, RUNBOOKS = 12, 8, 8, 5

_SPEC = {
    "Name": "title",
    "Status": "status",
    "Ticket": "rich_text",
    "Owner": "people",
    "Reviewers": "people",
    "Related": "relation",
    "Points": "number",
    "Due": "date",
    "Files": "files",
}
_DECISION = {"Decision": "title", "Ticket": "rich_text", "Decided by": "people", "Decided on": "date"}
_RETRO = {"Name": "title", "Date": "date", "Participants": "people"}
_RUNBOOK = {"Name": "title", "Owner": "people", "Tested": "checkbox"}


def build_world(team: Team) -> NotionWorld:
    """The workspace of a team, up to now; the same for the same seed."""
    return _NotionHistory(team).build()


class _NotionHistory:
    def __init__(self, team: Team) -> None:
        self.team = team
        self.rng: Random = team.rng("notion")
        self.world = NotionWorld(team.clock, self.rng, "Delivery")
        self.now = team.clock.now()
        self.start = min((t.created for t in team.tickets), default=self.now - 60 * DAY)
        self.users: dict[int, NotionUser] = {}

    def build(self) -> NotionWorld:
        for person in self.team.people:
            self.users[person.number] = self.world.add_user(person.name, person.email)
        home = self._wiki()
        specs, decisions = self._database(home, "Product", {"Specs": _SPEC, "Decisions": _DECISION})
        (retros,) = self._database(home, "Retrospectives", {"Retrospectives": _RETRO})
        (runbooks,) = self._database(home, "Operations", {"Runbooks": _RUNBOOK})
        self._specs(specs)
        self._decisions(decisions)
        for number in range(RETROS):
            self._retro(retros, number)
        for number in range(RUNBOOKS):
            self._runbook(runbooks, number)
        return self.world

    # ----------------------------------------------------------------- places

    def _somebody(self) -> str:
        return self.users[self.rng.randrange(len(self.users))].id

    def _between(self, start: int, end: int) -> int:
        return self.rng.randrange(start, max(end, start + 1))

    def _wiki(self) -> NotionPage:
        home = self.world.create_page("Team home", None, by=self._somebody(), at=self.start)
        self._text(home, "Everything that the team writes down.", self.start)
        for title in ("How we work", "Onboarding", "Glossary"):
            at = self._between(self.start, self.now)
            page = self.world.create_page(title, home, by=self._somebody(), at=at, public=title == "Glossary")
            self._body(page, at, (f"{title}: what everybody should know.", "Ask in the team channel when in doubt."))
        return home

    def _database(self, home: NotionPage, title: str, tables: dict[str, dict[str, str]]) -> list[DataSource]:
        by = self._somebody()
        database: Database = self.world.create_database(title, home, by=by, at=self.start)
        return [
            self.world.create_data_source(name, database, schema, by=by, at=self.start)
            for name, schema in tables.items()
        ]

    # ---------------------------------------------------------------- content

    def _text(self, parent: NotionPage | Block, text: str, at: int, kind: str = "paragraph") -> Block:
        return self.world.append_block(parent, text, by=self._somebody(), at=at, kind=kind)

    def _body(self, page: NotionPage, at: int, lines: tuple[str, ...]) -> None:
        self._text(page, "Summary", at, "heading_2")
        for line in lines:
            self._text(page, line, at)

    def _specs(self, source: DataSource) -> None:
        featured = self.team.featured
        others = [ticket for ticket in self.team.tickets if ticket not in featured]
        chosen = self.rng.sample(others, min(SPECS, len(others))) + featured
        pages: list[NotionPage] = []
        for ticket in sorted(chosen, key=lambda t: (t.created, t.id)):
            pages.append(self._spec(source, ticket, pages))

    def _spec(self, source: DataSource, ticket: Ticket, earlier: list[NotionPage]) -> NotionPage:
        at = min(ticket.created + self.rng.randrange(2 * HOUR, 2 * DAY), self.now)
        owner = self.users[ticket.assignee.number].id
        related = self.rng.sample(earlier, min(2, len(earlier)))
        page = self.world.create_page(
            f"{ticket.key}: {ticket.summary}",
            source,
            by=owner,
            at=at,
            has_cover=ticket.id % 4 == 0,
            properties={
                "Status": ("status", "Done" if ticket.done else "In progress"),
                "Ticket": ("rich_text", [ticket.key]),
                "Owner": ("people", [owner]),
                "Reviewers": ("people", [self._somebody()]),
                "Related": ("relation", [other.id for other in related]),
                "Points": ("number", self.rng.choice((1, 2, 3, 5, 8))),
                "Due": ("date", None),
                "Files": ("files", [f"{ticket.key}.pdf"] if ticket.id % 5 == 0 else []),
            },
        )
        self._body(page, at, (f"Why: {ticket.summary}.", f"How: see {ticket.key} for the work itself."))
        steps = self._text(page, "Steps", at, "toggle")
        for step in ("Design", "Build", "Measure"):
            self._text(steps, step, at, "to_do")
        page.edited = min(self._between(at, (ticket.resolved or self.now) + 1), self.now)
        self._talk(page, f"Is {ticket.key} still in scope?", page.edited)
        return page

    def _talk(self, page: NotionPage, text: str, at: int) -> None:
        """Add one or two comments, which do not change the page's edit time."""
        for line in (text, "Yes, as agreed.")[: self.rng.randint(1, 2)]:
            at = min(at + self.rng.randrange(5 * MINUTE, 8 * HOUR), self.now)
            self.world.add_comment(page, line, by=self._somebody(), at=at)

    def _decisions(self, source: DataSource) -> None:
        tickets = self.rng.sample(self.team.tickets, min(DECISIONS, len(self.team.tickets)))
        for ticket in sorted(tickets, key=lambda t: (t.started, t.id)):
            at = min(ticket.started, self.now)
            page = self.world.create_page(
                f"Decision: {ticket.summary}",
                source,
                by=self._somebody(),
                at=at,
                properties={
                    "Ticket": ("rich_text", [ticket.key]),
                    "Decided by": ("people", [self._somebody()]),
                    "Decided on": ("date", None),
                },
            )
            self._body(page, at, (f"We decided for {ticket.key} to take the simplest way.",))

    def _retro(self, source: DataSource, number: int) -> None:
        at = self.now - (RETROS - number) * 14 * DAY + self.rng.randrange(HOUR)
        everybody = [user.id for user in self.users.values()]
        page = self.world.create_page(
            f"Retrospective {number + 1}",
            source,
            by=self._somebody(),
            at=at,
            properties={"Date": ("date", None), "Participants": ("people", everybody)},
        )
        for column in ("Went well", "Went badly", "Try next"):
            heading = self._text(page, column, at, "toggle")
            self._text(heading, f"{column}: {self.rng.choice(('tests', 'reviews', 'planning', 'focus'))}", at, "to_do")
        self._talk(page, "Who takes the action items?", at)

    def _runbook(self, source: DataSource, number: int) -> None:
        at = self._between(self.start, self.now)
        title = ("Restore a backup", "Rotate a key", "Scale out", "Roll back", "Drain a queue")[number]
        page = self.world.create_page(
            title,
            source,
            by=self._somebody(),
            at=at,
            properties={"Owner": ("people", [self._somebody()]), "Tested": ("checkbox", number % 2 == 0)},
        )
        self._body(page, at, (f"{title}: say so first.", "Then follow the steps."))
        self._text(page, f"{title}, drawn", at, "image")
