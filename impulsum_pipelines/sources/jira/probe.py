"""Asks the site who we are and what we may see, without reading or writing any issue."""

from __future__ import annotations

from collections.abc import Iterator

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.jira.client import JiraClient


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try what a sync needs, one thing after the other.

    Yields:
        What was tried, and what the site answered, in words.

    Raises:
        ImpulsumError: of the first thing that does not work, with the next step.
    """
    client = JiraClient(settings)
    myself = client.myself()
    yield "account", f"logged in as {myself.get('displayName', 'unknown')}, zone {myself.get('timeZone', 'unknown')}"
    keys = [str(project["key"]) for project in client.projects()]
    yield "projects", _projects(keys, settings.jira.projects)
    yield "fields", f"{len(client.fields())} fields"
    yield "boards", f"{len(client.boards())} boards"


def _projects(visible: list[str], wanted: tuple[str, ...]) -> str:
    unseen = sorted(set(wanted) - set(visible))
    if unseen:
        return f"{len(visible)} visible, but not {', '.join(unseen)} of JIRA_PROJECTS"
    return f"{len(visible)} visible, {len(wanted) or 'all'} to be read"
