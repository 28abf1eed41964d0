"""A team's history at GitHub, made from its tickets: branches, pull requests, reviews, deployments, runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from impulsum_pipelines.sandbox.github.state import GitHubAccount, Pull, Repository
from impulsum_pipelines.sandbox.github.world import ENVIRONMENTS, REPOSITORIES, GitHubWorld
from impulsum_pipelines.sandbox.team import Team, Ticket

HOUR = 3_600_000
#: One in this many tickets has no pull request: not every ticket is code.
WITHOUT_CODE = 4
_PROJECTS = ("ATLAS", "BEAM", "CARGO")
_REMARKS = (
    "Can this be null here?",
    "Please name it after what it does.",
    "There is a test missing for the empty case.",
    "Nice, much simpler than before.",
)
_FIRST_COMMITS = ("Initial commit", "Build and test every push", "Say how to contribute")
_ANSWERS = ("I can reproduce it.", "Looking into it.")

#: An instant (epoch ms), and what happens then.
Event = tuple[int, Callable[[int], None]]


def build_world(team: Team) -> GitHubWorld:
    """The team's repositories, with everything that happened in them until now; the same for the same seed."""
    people = [GitHubAccount(4_000_001 + p.number, p.login, p.name, p.email) for p in team.people]
    world = GitHubWorld(team.clock, people, team.seed)
    return _GitHubHistory(world, team).play()


class _GitHubHistory:
    """Plans what happens for each ticket, then plays all of it in the order of time."""

    def __init__(self, world: GitHubWorld, team: Team) -> None:
        self.world = world
        self.team = team
        self.rng: Random = team.rng("github")
        self.now = team.clock.now() - 60_000
        self.events: list[Event] = []
        self.merges: dict[int, int] = {}

    def play(self) -> GitHubWorld:
        world = self.world
        first = min((ticket.created for ticket in self.team.tickets), default=self.now) - 24 * HOUR
        for number, name in enumerate(REPOSITORIES):
            repository = world.create_repository(name, first - number)
            for place, message in enumerate(_FIRST_COMMITS):
                world.push(repository, world.people[0], message, first + place * HOUR)
        featured = {ticket.id for ticket in self.team.featured}
        for ticket in self.team.tickets:
            if ticket.id in featured or (ticket.started < self.now and ticket.id % WITHOUT_CODE):
                self._plan(ticket)
            elif ticket.created < self.now:
                self._plan_issue(ticket)
        for at, happen in sorted(self.events, key=lambda event: event[0]):
            happen(at)
        for repository in world.repositories.values():
            repository.updated = repository.pushed
        return world

    def _repository(self, ticket: Ticket) -> Repository:
        place = 2 if ticket.id % 5 == 0 else _PROJECTS.index(ticket.project) if ticket.project in _PROJECTS else 0
        return list(self.world.repositories.values())[place]

    def _account(self, ticket: Ticket) -> GitHubAccount:
        return self.world.people[ticket.assignee.number]

    def _other(self, author: GitHubAccount) -> GitHubAccount:
        return self.rng.choice([person for person in self.world.people if person is not author] or [author])

    def _at(self, at: int, happen: Callable[[int], None]) -> None:
        self.events.append((min(at, self.now), happen))

    def _plan_issue(self, ticket: Ticket) -> None:
        """Plan a bug report from outside, with up to two answers."""
        repository, author, answers = self._repository(ticket), self._account(ticket), self.rng.randrange(3)
        closed = ticket.resolved

        def report(at: int) -> None:
            issue = self.world.open_issue(repository, author, f"Reported: {ticket.summary}", at, f"See {ticket.key}")
            issue.labels = ["bug"]
            for number in range(answers):
                self.world.comment(issue, self._other(author), _ANSWERS[number], at)
            if closed:
                self.world.close(issue, author, at)

        self._at(ticket.created, report)

    def _plan(self, ticket: Ticket) -> None:
        rng, world = self.rng, self.world
        repository, author = self._repository(ticket), self._account(ticket)
        end = ticket.resolved or self.now
        opened = ticket.started + (end - ticket.started) // 2
        reviewer, commits = self._other(author), rng.choice((1, 1, 2, 3))
        slug = re.sub(r"[^a-z0-9]+", "-", ticket.summary.lower()).strip("-")[:30]
        made: list[Pull] = []

        def open_it(at: int) -> None:
            title = f"{ticket.key} {ticket.summary}"
            pull = world.open_pull(repository, author, title, at, commits, f"{ticket.key.lower()}-{slug}")
            pull.reviewers = [reviewer]
            pull.draft = not ticket.done and ticket.id % 7 == 0
            made.append(pull)
            world.run(repository, author, at, event="pull_request", pull=pull, ended=at + HOUR // 10)

        def review(at: int) -> None:
            state = rng.choice(("COMMENTED", "CHANGES_REQUESTED", "APPROVED"))
            submitted = world.review(made[0], reviewer, state, at)
            if rng.random() < 0.5:
                world.review_comment(submitted, rng.choice(_REMARKS), at)
            if rng.random() < 0.4:
                world.comment(made[0].issue, author, f"Thanks, see the newest commit for {ticket.key}.", at)

        def finish(at: int) -> None:
            world.review(made[0], reviewer, "APPROVED", at)
            world.merge(made[0], author, at, rng.choice(("squash", "squash", "squash", "merge", "rebase")))
            ended = min(at + HOUR // 5, self.now)
            conclusion = rng.choice(("success",) * 9 + ("failure",))
            world.run(repository, author, at, ended=ended, conclusion=conclusion)
            self._deploy(repository, author, at)

        self._at(opened, open_it)
        self._at(opened + (end - opened) // 2, review)
        if ticket.resolved:
            self._at(end, finish)

    def _deploy(self, repository: Repository, author: GitHubAccount, at: int) -> None:
        """Every third merge is deployed, and every sixth released."""
        merges = self.merges[repository.id] = self.merges.get(repository.id, 0) + 1
        if merges % 3:
            return
        environment = ENVIRONMENTS[merges // 3 % 2]
        deployment = self.world.deploy(repository, author, environment, at)
        for state in ("in_progress", "failure" if self.rng.random() < 0.1 else "success"):
            self.world.deployment_status(deployment, state, author, at)
        self.world.run(repository, author, at, name="Deploy", event="deployment", ended=at)
        if merges % 6 == 0:
            self.world.release(repository, author, f"v1.{merges // 6}.0", at)
