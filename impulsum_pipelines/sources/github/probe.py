"""Check the connection to GitHub: whose token it is and what it may read. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.github.client import GitHubClient
from impulsum_pipelines.sources.github.refusals import EmptyRepositoryError, GoneError

#: The lists that a sync reads of each repository, by what people call them.
_LISTS = {
    "pull requests": "/pulls",
    "issues": "/issues",
    "commits": "/commits",
    "deployments": "/deployments",
    "workflow runs": "/actions/runs",
}


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try what a sync needs, step by step.

    Yields:
        What was tried, and what GitHub answered, as text.

    Raises:
        ImpulsumError: the first step that failed; the error says what to do.
    """
    client = GitHubClient(settings)
    yield "account", f"the token is {client.account().get('login', 'nobody')}'s"
    for name in settings.github.repositories:
        try:
            found = [client.repository(name)] if "/" in name else client.repositories_of(name)
        except NotFoundError:
            yield name, "not visible to this token"
            continue
        yield name, f"{len(found)} repositories" if "/" not in name else f"visible as {found[0]['full_name']}"
        for what, below in _LISTS.items():
            yield from _may_list(client, found[0]["full_name"], what, below)


def _may_list(client: GitHubClient, repository: str, what: str, below: str) -> Iterator[tuple[str, str]]:
    try:
        client.api.get(f"/repos/{repository}{below}", {"per_page": 1}, endpoint=f"/repos/{{owner}}/{{repo}}{below}")
    except (EmptyRepositoryError, GoneError):
        yield what, f"none in {repository}"
    else:
        yield what, f"may be read in {repository}"
