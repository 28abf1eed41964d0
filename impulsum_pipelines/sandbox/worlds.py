"""The world that a sandbox serves: a generated one, or a real export of a Jira site.

The world is the Jira site; every other service makes its own history from the site's people and tickets, see
:mod:`impulsum_pipelines.sandbox.team`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import orjson

from impulsum_pipelines.sandbox.hours import log_hours
from impulsum_pipelines.sandbox.jira.history.export import read_export
from impulsum_pipelines.sandbox.jira.history.generator import generate_site
from impulsum_pipelines.sandbox.jira.world import JiraWorld


def generate(
    *,
    seed: int = 1,
    issues: int = 500,
    now: datetime | None = None,
    projects: int | None = None,
    sprints: int | None = None,
    document_bytes: int | None = None,
    time_zone: str = "Etc/UTC",
) -> JiraWorld:
    """A generated site, with the team's hours on its tickets.

    The arguments are those of :func:`impulsum_pipelines.sandbox.jira.history.generator.generate_site`.
    """
    world = generate_site(
        seed=seed,
        issues=issues,
        now=now,
        projects=projects,
        sprints=sprints,
        document_bytes=document_bytes,
        time_zone=time_zone,
    )
    with world.store.transaction():
        log_hours(world)
    return world


def make_world(
    *,
    seed: int = 1,
    issues: int = 500,
    now: datetime | None = None,
    jira_export: Path | None = None,
    document_bytes: int | None = None,
    time_zone: str = "Etc/UTC",
    truth: Path | None = None,
) -> JiraWorld:
    """The world that a command line asks for: generated, or read from an export.

    Args:
        seed, issues, document_bytes: see :func:`generate`; not used for an export.
        now: where the clock starts, aware; the real time when None.
        jira_export: file of issues, one JSON document per line; a generated history when None.
        time_zone: zone of the token user's profile.
        truth: file to which the truth about every sprint is written as JSON; not written when None.

    Raises:
        ImpulsumError: the export cannot be read.
    """
    if jira_export:
        world = read_export(jira_export, now=now, time_zone=time_zone)
    else:
        world = generate(seed=seed, issues=issues, now=now, document_bytes=document_bytes, time_zone=time_zone)
    if truth:
        truth.parent.mkdir(parents=True, exist_ok=True)
        truth.write_bytes(orjson.dumps(world.truth(), option=orjson.OPT_INDENT_2))
    return world
