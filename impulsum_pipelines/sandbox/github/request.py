"""A request to GitHub's API: its token, its parameters and its page, and how it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from impulsum_pipelines.sandbox.clock import to_ms
from impulsum_pipelines.sandbox.github.documents import GitHubDocuments
from impulsum_pipelines.sandbox.github.documents.repositories import Document
from impulsum_pipelines.sandbox.github.limits import GitHubLimits
from impulsum_pipelines.sandbox.github.state import Repository
from impulsum_pipelines.sandbox.github.world import GitHubWorld
from impulsum_pipelines.sandbox.refusal import Refusal
from impulsum_pipelines.sources.base.values import as_datetime

TOKEN = "ghp_sandbox0000000000000000000000000000"  # noqa: S105 - it opens nothing
VERSIONS = ("2022-11-28", "2026-03-10")
_DOCS = "https://docs.github.com/rest"


class GitHubRefusal(Refusal):
    """An answer that is not 200; ``more`` are further fields of its document."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        body = {"message": message, "documentation_url": _DOCS, "status": str(status), **more}
        super().__init__(status, body, headers)


class GitHubToken:
    """The token that may ask, and what it may not do.

    Attributes:
        denied: permissions taken from the token: contents, issues, pull_requests, deployments, actions, metadata.
        sso: True when the organization requires that the token is authorized first.
        run_cap: the most results of a filtered list of runs.
    """

    def __init__(self) -> None:
        self.revoked = False
        self.denied: set[str] = set()
        self.sso = False
        self.run_cap = 1_000
        self.limits = GitHubLimits()


class GitHubRequest:
    """One request, with the repository that it is about."""

    def __init__(self, world: GitHubWorld, token: GitHubToken, request: Request, repository: Repository | None) -> None:
        self.world = world
        self.token = token
        self.request = request
        self._repository = repository
        self.query = request.query_params
        self.show = GitHubDocuments(world, f"{request.url.scheme}://{request.url.netloc}/github")
        self.version = request.headers.get("x-github-api-version", VERSIONS[0])
        self.links: dict[str, str] = {}

    @property
    def repository(self) -> Repository:
        """The repository that the path names.

        Raises:
            LookupError: the path names none.
        """
        if self._repository is None:
            raise LookupError(f"{self.request.url.path} names no repository")
        return self._repository

    @property
    def number(self) -> int:
        """The number or id in the path."""
        return int(self.request.path_params["number"])

    def page(self, things: Iterable[Any], show: Callable[[Any], Document], most: int | None = None) -> list[Document]:
        """The documents of the page that was asked for, of the first ``most`` things; sets the links to other pages."""
        every = list(things)[:most]
        size = min(max(int(self.query.get("per_page", 30)), 1), 100)
        number = max(int(self.query.get("page", 1)), 1)
        last = max(-(-len(every) // size), 1)
        pages = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        kept: tuple[str, ...] = ("prev", "first") if number > 1 else ()
        kept += ("next", "last") if number < last else ()
        fault = self.request.scope.get("sandbox.fault")
        if fault and fault.kind == "repeat_token":
            pages["next"] = number
        if fault and fault.kind == "end_early":
            kept = tuple(name for name in kept if name != "next")
        self.links = {name: self._link(pages[name]) for name in pages if name in kept}
        return [show(thing) for thing in every[(number - 1) * size : number * size]]

    def _link(self, number: int) -> str:
        query = {**self.query, "page": number}
        return f"{self.show.api}{self.request.url.path.removeprefix('/github')}?{urlencode(query)}"

    def moment(self, name: str) -> int | None:
        """A time among the parameters (epoch ms); None when it is not given."""
        text = self.query.get(name)
        if text is None:
            return None
        found = as_datetime(text)
        if found is None:
            raise GitHubRefusal(422, "Validation Failed", errors=[f"{name} is no time"])
        return to_ms(found)
