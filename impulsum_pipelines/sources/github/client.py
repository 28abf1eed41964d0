"""GitHub's endpoints as we use them: lists page by page, and single things.

Vendor pages: https://docs.github.com/en/rest (version 2022-11-28, which is pinned: the next one drops
``merge_commit_sha``), https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api (ETags).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

import requests
from pyrate_limiter import Duration, Rate

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import Answer, Api, BearerAuth, NotFoundError
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.base.paging import Paging
from impulsum_pipelines.sources.github.refusals import requests_left, seconds_until_reset, to_error
from impulsum_pipelines.sources.github.rows import Document
from impulsum_pipelines.sources.registry import off_error

API_VERSION = "2022-11-28"
PAGE = 100  # the vendor's maximum
#: Requests per minute to one endpoint: below the documented 900 points, of which a GET costs one.
PER_MINUTE = 850
#: Requests of the hour that we leave to other users of the token: at so many left we wait for the next hour.
RESERVE = 20
CONCURRENCY = 4


class Comparison(NamedTuple):
    """How two commits or branches of a repository relate.

    Args:
        document: GitHub's comparison, with ``ahead_by``, ``behind_by`` and ``merge_base_commit``.
        added: every commit that only the head reaches.
    """

    document: Document
    added: list[Document]


class GitHubListing:
    """A list of documents, page by page; its first page is already read.

    Attributes:
        etag: the ETag of the first page; None where GitHub gives none.
        unchanged: the first page has not changed since the given ETag: there is nothing to walk.
        total: how many documents GitHub counts; None where it does not say.
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
                that GitHub named: it would only look complete.
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
            answer = self._client.api.request("GET", following, endpoint=self._endpoint)
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
            to_error=self._to_error,
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
    ) -> GitHubListing:
        """A list with its first page read; with an ETag, an unchanged first page costs nothing of the quota.

        Args:
            path: below the API's URL.
            endpoint: the path's template, for messages.
            params: of the query string.
            etag: the ETag of the first page at an earlier read.
            key: where the answer is an object: its field that has the list.
        """
        headers = {"If-None-Match": etag} if etag else None
        first = self.api.request(
            "GET", path, endpoint=endpoint, headers=headers, params={"per_page": PAGE, **(params or {})}
        )
        return GitHubListing(self, first, endpoint, key)

    def get_all(self, path: str, endpoint: str, params: Mapping[str, Any] | None = None) -> list[Document]:
        """All documents of a list, which should be short."""
        return [document for page in self.listing(path, endpoint, params).pages() for document in page]

    def get(self, path: str, endpoint: str) -> Document:
        """One document."""
        found: Document = self.api.get(path, endpoint=endpoint)
        return _without_clone_token(found)

    def repository(self, name: str) -> Document:
        """A repository by its present or a former name: GitHub redirects from a former one."""
        return self.get(f"/repos/{quote(name)}", "/repos/{owner}/{repo}")

    def repositories_of(self, owner: str) -> list[Document]:
        """Every repository of an organization; of a user, where no organization has this name."""
        params = {"type": "all", "sort": "full_name"}
        try:
            return self.get_all(f"/orgs/{quote(owner)}/repos", "/orgs/{org}/repos", params)
        except NotFoundError:
            return self.get_all(f"/users/{quote(owner)}/repos", "/users/{username}/repos", params)

    def compare(self, repository: str, base: str, head: str) -> Comparison:
        """Compare two commits or branches of a repository."""
        path = f"/repos/{repository}/compare/{quote(base, safe='')}...{quote(head, safe='')}"
        first = self.api.request(
            "GET", path, endpoint="/repos/{owner}/{repo}/compare/{basehead}", params={"per_page": PAGE}
        )
        listing = GitHubListing(self, first, "/repos/{owner}/{repo}/compare/{basehead}", "commits")
        return Comparison(first.body, [commit for page in listing.pages() for commit in page])

    def account(self) -> Document:
        """The account of the token."""
        return self.get("/user", "/user")

    # ----------------------------------------------------------------- limits

    def _to_error(self, response: requests.Response, body: Any) -> ImpulsumError | None:
        if response.status_code < 400:
            self._keep_reserve(response)
        return to_error(response, body)

    def _keep_reserve(self, response: requests.Response) -> None:
        """Pause before GitHub refuses: each answer says how many requests of the hour are left."""
        left, wait = requests_left(response), seconds_until_reset(response)
        if left is not None and left <= RESERVE and wait is not None:
            self._budget.pause(wait)


def _without_clone_token(document: Document) -> Document:
    """The document without the clone token of a private repository: GitHub puts a new one into each answer."""
    ends = [end.get("repo") for name in ("head", "base") if isinstance(end := document.get(name), dict)]
    for repository in (document, document.get("repository"), document.get("head_repository"), *ends):
        if isinstance(repository, dict):
            repository.pop("temp_clone_token", None)
    return document


def _page_of(url: str | None) -> int | None:
    """The page number in a link; None where it has a cursor instead."""
    numbers = parse_qs(urlsplit(url or "").query).get("page", [])
    return int(numbers[0]) if numbers and numbers[0].isdigit() else None
