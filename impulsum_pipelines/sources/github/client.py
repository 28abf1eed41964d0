"""GitHub's endpoints as we use them: lists page by page, single things, and errors as GitHub means them.

Vendor pages: https://docs.github.com/en/rest (version 2022-11-28, which is pinned: the next one drops
``merge_commit_sha``), https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api (ETags, throttling).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests
from pyrate_limiter import Duration, Rate

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import Answer, Api, BearerAuth, NotFoundError, retry_after
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.base.paging import Paging
from impulsum_pipelines.sources.github.rows import Document
from impulsum_pipelines.sources.registry import off_error

API_VERSION = "2022-11-28"
PAGE = 100  # the most that GitHub gives
#: Requests a minute to one endpoint: below the documented 900 points, of which a GET costs one.
PER_MINUTE = 850
#: Requests of the hour that are left to whoever else uses the token: at this many left we wait for the next hour.
RESERVE = 20
#: Seconds to wait after a throttle that does not say how long: the vendor asks for at least a minute.
UNTOLD_WAIT = 60.0
CONCURRENCY = 4


class EmptyRepositoryError(ImpulsumError):
    """The repository has no commit (HTTP 409): an answer, not a failure."""

    def __init__(self) -> None:
        super().__init__(Category.BAD_DATA, "The repository is empty", next_step="nothing.")

    @property
    def retryable(self) -> bool:
        """Asking again changes nothing."""
        return False


class GoneError(NotFoundError):
    """The thing was deleted, or its kind is turned off in the repository (HTTP 410)."""


class Listing:
    """A list, page by page; its first page is there already.

    Attributes:
        etag: what the first page looked like; None where GitHub does not say.
        unchanged: the first page is as it was under the ETag that was given: there is nothing to walk.
        total: how many GitHub says there are, where it does.
    """

    def __init__(self, client: GitHubClient, first: Answer, endpoint: str, key: str | None) -> None:
        self._client = client
        self._first = first
        self._endpoint = endpoint
        self._key = key
        self.etag = first.headers.get("ETag")
        self.unchanged = first.status == 304
        self.total = first.body.get("total_count") if isinstance(first.body, dict) else None

    def pages(self) -> Iterator[list[Document]]:
        """Every page, by following the links that GitHub gives.

        Raises:
            ImpulsumError: when a link leads back to a page that was read, or the list ends before the last page
                that GitHub named: it would look whole and be not.
        """
        if self.unchanged:
            return
        answer, paging = self._first, Paging("GitHub", self._endpoint)
        last = _page_of(answer.links.get("last"))
        while True:
            yield self._documents(answer, paging)
            following = paging.next(answer.links.get("next"))
            if not following:
                break
            number = _page_of(following)
            if number is not None and number <= paging.pages:
                raise paging.broken("a page repeats")
            answer = self._client.api.ask("GET", following, endpoint=self._endpoint)
        if last is not None and paging.pages < last:
            raise paging.broken(f"it ended after {paging.pages} of {last} pages")

    def _documents(self, answer: Answer, paging: Paging) -> list[Document]:
        found = answer.body.get(self._key) if self._key and isinstance(answer.body, dict) else answer.body
        if not isinstance(found, list):
            raise paging.broken("the answer is not a list")
        return [_without_clone_token(document) for document in found if isinstance(document, dict)]


class GitHubClient:
    """Reads GitHub with a token."""

    def __init__(self, settings: Settings) -> None:
        if not settings.github.token:
            raise off_error("github", settings)
        self._budget = Budget(
            Home.of(settings).limits,
            urlsplit(settings.github.api_url).netloc,
            lambda kind: [Rate(PER_MINUTE, Duration.MINUTE)],
        )
        self.api = Api(
            "GitHub",
            settings.github.api_url,
            auth=BearerAuth(settings.github.token.get_secret_value()),
            budget=self._budget,
            headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION},
            connections=CONCURRENCY,
            judge=self._judge,
        )

    # ---------------------------------------------------------------- reading

    def listing(
        self,
        path: str,
        endpoint: str,
        params: Mapping[str, Any] | None = None,
        *,
        etag: str | None = None,
        key: str | None = None,
    ) -> Listing:
        """A list, with its first page read; with an ETag an unchanged first page costs nothing of the quota."""
        headers = {"If-None-Match": etag} if etag else None
        first = self.api.ask(
            "GET", path, endpoint=endpoint, headers=headers, params={"per_page": PAGE, **(params or {})}
        )
        return Listing(self, first, endpoint, key)

    def everything(self, path: str, endpoint: str, params: Mapping[str, Any] | None = None) -> list[Document]:
        """All documents of a short list."""
        return [document for page in self.listing(path, endpoint, params).pages() for document in page]

    def one(self, path: str, endpoint: str) -> Document:
        """One thing."""
        found: Document = self.api.get(path, endpoint=endpoint)
        return _without_clone_token(found)

    def repository(self, name: str) -> Document:
        """A repository by a name that it has or had: GitHub sends on from a former one."""
        return self.one(f"/repos/{quote(name)}", "/repos/{owner}/{repo}")

    def repositories_of(self, owner: str) -> list[Document]:
        """Every repository of an organization or, where there is none of the name, of a user."""
        params = {"type": "all", "sort": "full_name"}
        try:
            return self.everything(f"/orgs/{quote(owner)}/repos", "/orgs/{org}/repos", params)
        except NotFoundError:
            return self.everything(f"/users/{quote(owner)}/repos", "/users/{username}/repos", params)

    def compare(self, repository: str, base: str, head: str) -> tuple[Document, list[Document]]:
        """How two commits or branches stand to each other, and every commit that only the head reaches."""
        path = f"/repos/{repository}/compare/{quote(base, safe='')}...{quote(head, safe='')}"
        first = self.api.ask(
            "GET", path, endpoint="/repos/{owner}/{repo}/compare/{basehead}", params={"per_page": PAGE}
        )
        listing = Listing(self, first, "/repos/{owner}/{repo}/compare/{basehead}", "commits")
        return first.body, [commit for page in listing.pages() for commit in page]

    def myself(self) -> Document:
        """The account of the token."""
        return self.one("/user", "/user")

    # ----------------------------------------------------------------- limits

    def _judge(self, response: requests.Response, body: Any) -> ImpulsumError | None:
        """An answer as GitHub means it. Throttling comes before permission: both may be 403, and both 429."""
        said = str(body.get("message", "")) if isinstance(body, dict) else ""
        if response.status_code in (403, 429):
            wait = _throttled(response, said)
            return _permission(response, said) if wait is None else self._limited(wait, said)
        if response.status_code < 400:
            self._spare_the_last(response)
        elif response.status_code == 409 and "empty" in said:
            return EmptyRepositoryError()
        elif response.status_code == 410:
            return GoneError("")
        elif response.status_code == 451:
            return _blocked(said)
        return None

    def _limited(self, wait: float, said: str) -> ImpulsumError:
        return ImpulsumError(
            Category.RATE_LIMIT,
            f"{self.api.site} limits requests ({said or 'no reason given'}), to be asked again after {wait:g} s",
            next_step="nothing: the next pull after that goes on from where this one stopped.",
            retry_after=wait,
        )

    def _spare_the_last(self, response: requests.Response) -> None:
        """Stop before GitHub refuses: it says in each answer how many requests of the hour are left."""
        left, wait = _left(response), _until_reset(response)
        if left is not None and left <= RESERVE and wait is not None:
            self._budget.pause(wait)


def _without_clone_token(document: Document) -> Document:
    """The document without the token to clone a private repository that GitHub puts into each answer anew."""
    ends = [end.get("repo") for name in ("head", "base") if isinstance(end := document.get(name), dict)]
    for repository in (document, document.get("repository"), document.get("head_repository"), *ends):
        if isinstance(repository, dict):
            repository.pop("temp_clone_token", None)
    return document


def _throttled(response: requests.Response, said: str) -> float | None:
    """Seconds to wait when a 403 or 429 is a throttle, by the vendor's order of signs; None for a refusal."""
    wait = retry_after(response.headers.get("Retry-After"))
    if wait is not None:
        return wait
    if _left(response) == 0:
        wait = _until_reset(response)
        return UNTOLD_WAIT if wait is None else wait
    is_throttle = response.status_code == 429 or "rate limit" in said.lower() or "abuse" in said.lower()
    return UNTOLD_WAIT if is_throttle else None


def _left(response: requests.Response) -> int | None:
    """Requests of the hour that are left; None where that is not said, or of none: Enterprise with its limits off."""
    left = response.headers.get("X-RateLimit-Remaining", "")
    return int(left) if left.isdigit() and response.headers.get("X-RateLimit-Limit") != "0" else None


def _until_reset(response: requests.Response) -> float | None:
    """Seconds until the primary limit is reset, by GitHub's own clock: ours may be off."""
    reset, date = response.headers.get("X-RateLimit-Reset", ""), response.headers.get("Date")
    if not reset.isdigit() or not date:
        return None
    return max(int(reset) - parsedate_to_datetime(date).timestamp(), 1.0)


def _permission(response: requests.Response, said: str) -> ImpulsumError:
    if sso := response.headers.get("X-GitHub-SSO"):
        step = f"authorize the token for single sign-on: {sso.partition('url=')[2] or 'in its settings'}"
    elif needed := response.headers.get("X-Accepted-GitHub-Permissions"):
        step = f"give the token the permission {needed}, then run again"
    else:
        step = "give the token read access to the repository, then run again"
    return ImpulsumError(
        Category.PERMISSION, f"The token may not do this: {said or 'no reason given'}"[:300], next_step=f"{step}."
    )


def _blocked(said: str) -> ImpulsumError:
    return ImpulsumError(
        Category.PERMISSION,
        f"The repository is blocked for legal reasons: {said or 'no reason given'}"[:300],
        next_step="leave it out of GITHUB_REPOSITORIES, or ask GitHub's support.",
    )


def _page_of(url: str | None) -> int | None:
    """The number of the page that a link leads to; None where it has a cursor instead."""
    numbers = parse_qs(urlsplit(url or "").query).get("page", [])
    return int(numbers[0]) if numbers and numbers[0].isdigit() else None
