"""Check the connection to Jira: whose token it is and what it may see. Reads no issue, writes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.jira.client import JiraClient


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try what a sync needs, step by step.

    Yields:
        What was tried, and what Jira answered, as text.

    Raises:
        ImpulsumError: the first step that failed; the error says what to do.
    """
    client = JiraClient(settings)
    myself = client.myself()
    yield "account", f"logged in as {myself.get('displayName', 'unknown')}, zone {myself.get('timeZone', 'unknown')}"
    keys = [str(project["key"]) for project in client.projects()]
    yield "projects", _projects(keys, settings.jira.projects)
    yield "fields", f"{len(client.fields())} fields"
    yield "boards", f"{len(client.boards())} boards"


def _projects(visible: list[str], wanted: tuple[str, ...]) -> str:
    hidden = sorted(set(wanted) - set(visible))
    if hidden:
        return f"{len(visible)} visible, but not {', '.join(hidden)} of JIRA_PROJECTS"
    return f"{len(visible)} visible, {len(wanted) or 'all'} to be read"
