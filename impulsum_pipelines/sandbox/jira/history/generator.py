"""Generates a team's history in Jira: of any size, the same for the same seed; the truth is recorded as it happens."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice, pairwise
from random import Random

import orjson

from impulsum_pipelines.sandbox.clock import Clock, to_ms
from impulsum_pipelines.sandbox.jira.history.season import Season
from impulsum_pipelines.sandbox.jira.history.teams import build_site
from impulsum_pipelines.sandbox.jira.issues import JiraIssue, atlassian_document
from impulsum_pipelines.sandbox.jira.world import JiraWorld

#: How many people an ordinary site has, all teams together.
PEOPLE = 12

_TEXT = (
    "People asked for this more than once. It should work the same on every page, be quick, and say what went wrong "
    "when it cannot be done. Mind the old clients, the limits of the interface and the time zones of the users. "
)


def generate_site(
    *,
    seed: int,
    issues: int,
    now: datetime | None,
    projects: int | None,
    sprints: int | None,
    document_bytes: int | None,
    time_zone: str,
) -> JiraWorld:
    """A site on which one to three teams have worked until ``now``.

    Args:
        seed: the history is the same for the same seed and arguments.
        issues: how many issues there are in all.
        now: where the clock stands, aware; the real time when None.
        projects: how many teams, 1 to 3; depends on the number of issues when None.
        sprints: how many sprints of each team are closed; depends on the number of issues when None. One more sprint
            is active.
        document_bytes: pads issues so that one with its inline histories has about this many bytes; none is padded
            when None.
        time_zone: zone of the token user's profile.
    """
    rng = Random(seed)
    clock = Clock(now)
    teams_count = projects or (1 if issues < 40 else 2 if issues < 200 else 3)
    site, teams = build_site(rng, teams=teams_count, people=_members(issues, teams_count), time_zone=time_zone)
    world = JiraWorld(site, clock, seed=seed)
    share, rest = divmod(issues, len(teams))
    closed = sprints if sprints is not None else max(3, min(52, share // 12))
    end = (to_ms(now) if now else clock.now()) - 60_000
    with world.store.transaction(), _collector_paused():
        for number, team in enumerate(teams):
            season = Season(
                world,
                team,
                [other for other in teams if other is not team],
                rng,
                issues=share + (rest if number == 0 else 0),
                sprints=closed,
                now=end,
            )
            _save(world, season.play(), rng, document_bytes)
    for first, second in pairwise(teams):
        shared = [sprint.id for sprint in site.sprints.values() if sprint.board_id == first.board.id]
        second.board.borrowed = shared[:2]
    return world


def _members(issues: int, teams: int) -> int:
    """How many members each team has: twelve people in all for two or three teams; 40 per team on a large site."""
    return 40 if issues >= 5000 else min(6, PEOPLE // teams)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pauses Python's search for cycles, which costs a third of the time among a million live objects."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _save(world: JiraWorld, issues: list[JiraIssue], rng: Random, document_bytes: int | None) -> None:
    sizes = dict(
        world.store.db.execute("SELECT issue_id, sum(length(document)) FROM histories GROUP BY issue_id").fetchall()
        if document_bytes
        else ()
    )
    remaining = iter(issues)
    while batch := list(islice(remaining, 1000)):
        for issue in batch:
            length = rng.randrange(80, 400)
            if document_bytes:
                length = document_bytes - sizes.get(issue.id, 0) - len(orjson.dumps(issue.fields)) - 600
            if length > 0:
                issue.fields["description"] = atlassian_document((_TEXT * (length // len(_TEXT) + 1))[:length])
        world.store.save_all(batch)
