"""Asks GitHub who we are and what we may see, without writing anything."""

from __future__ import annotations

from collections.abc import Iterator

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.github.client import EmptyRepositoryError, GitHubClient, GoneError

#: What a sync lists of each repository, by what people call it.
_LISTS = {
    "pull requests": "/pulls",
    "issues": "/issues",
    "commits": "/commits",
    "deployments": "/deployments",
    "workflow runs": "/actions/runs",
}


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try what a sync needs, one thing after the other.

    Yields:
        What was tried, and what GitHub answered, in words.

    Raises:
        ImpulsumError: of the first thing that does not work, with the next step.
    """
    client = GitHubClient(settings)
    yield "account", f"the token is {client.myself().get('login', 'nobody')}'s"
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
