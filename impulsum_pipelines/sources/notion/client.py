"""The endpoints of Notion that we use: one method each, paging by cursor included.

Vendor pages: https://developers.notion.com/reference/intro. Nothing here writes to Notion.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pyrate_limiter import Duration, Rate

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import Api, BearerAuth
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.base.paging import Paging
from impulsum_pipelines.sources.notion.refusals import TooManyEntriesError, to_error
from impulsum_pipelines.sources.registry import off_error

Document = dict[str, Any]

#: The newest version: ``in_trash`` instead of ``archived``. Answers of another version may lack fields that we read.
#: https://developers.notion.com/reference/changes-by-version.md
VERSION = "2026-03-11"
PAGE_SIZE = 100
#: Requests in any 60 seconds: a little below the documented average of three per second. Notion counts per 60 seconds
#: and allows bursts within them, so a small first pull does not wait, and a large one keeps the average.
#: https://developers.notion.com/reference/request-limits
PER_WINDOW = 170
WINDOW = Duration.MINUTE
#: All requests share the one budget of the integration.
KIND = "request"
#: Most references of one property that a page object shows.
INLINE_ITEMS = 25
#: Types of properties of which a page object shows only :data:`INLINE_ITEMS`.
_CUT = ("title", "rich_text", "people", "relation")


class NotionClient:
    """Reads what is shared with one integration."""

    def __init__(self, settings: Settings) -> None:
        if not settings.notion.token:
            raise off_error("notion", settings)
        self.api = Api(
            "Notion",
            settings.notion.api_url,
            auth=BearerAuth(settings.notion.token.get_secret_value()),
            budget=Budget(
                Home.of(settings).limits,
                urlsplit(settings.notion.api_url).netloc,
                lambda kind: [Rate(PER_WINDOW, WINDOW)],
            ),
            headers={"Notion-Version": VERSION},
            connections=1,
            to_error=to_error,
        )

    # ------------------------------------------------------------------ lists

    def search(self, kind: str | None = None) -> Iterator[list[Document]]:
        """Pages and data sources that search finds, last edited first: a hint, neither complete nor up to date.

        https://developers.notion.com/reference/search-optimizations-and-limitations
        """
        body: Document = {"sort": {"timestamp": "last_edited_time", "direction": "descending"}}
        if kind:
            body["filter"] = {"property": "object", "value": kind}
        for answer in self._pages("POST", "/search", body):
            yield answer["results"]

    def entries(self, data_source_id: str, since: datetime, until: datetime | None) -> Iterator[list[Document]]:
        """The pages of a data source last edited in [since, until), oldest creation first.

        One query gives at most 10,000 results, and any of its pages may say that it was cut. Another query then starts
        at the last creation time. Creation times never change, so an edit during the walk moves nothing.
        https://developers.notion.com/guides/data-apis/query-large-data-sources

        Raises:
            TooManyEntriesError: more pages were created in one minute than a query gives.
        """
        edited = [_times("last_edited_time", "on_or_after", since)]
        edited += [_times("last_edited_time", "before", until)] if until else []
        created_from: str | None = None
        while True:
            created = [_times("created_time", "on_or_after", created_from)] if created_from else []
            body = {
                "filter": {"and": [*edited, *created]},
                "sorts": [{"timestamp": "created_time", "direction": "ascending"}],
            }
            capped, newest = False, None
            path = f"/data_sources/{data_source_id}/query"
            for answer in self._pages("POST", path, body, endpoint="/data_sources/{id}/query"):
                capped |= (answer.get("request_status") or {}).get("type") == "incomplete"
                newest = answer["results"][-1]["created_time"] if answer["results"] else newest
                yield answer["results"]
            if not capped:
                return
            if newest is None or newest == created_from:
                raise TooManyEntriesError(newest, data_source_id)
            created_from = newest

    def children(self, block_id: str) -> list[Document]:
        """The blocks directly under a page or block, in order."""
        return self._list(f"/blocks/{block_id}/children", "/blocks/{id}/children")

    def comments(self, page_id: str) -> list[Document]:
        """The open comments on a page itself, without those on its blocks."""
        return self._list("/comments", "/comments", {"block_id": page_id})

    def users(self) -> list[Document]:
        """The members and integrations of the workspace."""
        return self._list("/users", "/users")

    def with_all_properties(self, page: Document) -> Document:
        """The page with every property complete: one that Notion cut at 25 references is read at its own endpoint.

        https://developers.notion.com/reference/retrieve-a-page#limits
        """
        for value in page["properties"].values():
            kind = value.get("type")
            if kind in _CUT and (value.get("has_more") or len(value.get(kind) or []) >= INLINE_ITEMS):
                path = f"/pages/{page['id']}/properties/{value['id']}"
                found = self._list(path, "/pages/{id}/properties/{id}")
                value[kind] = [item[kind] for item in found]
                if "has_more" in value:
                    value["has_more"] = False
        return page

    # ------------------------------------------------------------ single ones

    def page(self, page_id: str) -> Document:
        """One page, in the trash or not."""
        return self._one(f"/pages/{page_id}", "/pages/{id}")

    def data_source(self, data_source_id: str) -> Document:
        """One data source, in the trash or not."""
        return self._one(f"/data_sources/{data_source_id}", "/data_sources/{id}")

    def database(self, database_id: str) -> Document:
        """One database, with the list of its data sources."""
        return self._one(f"/databases/{database_id}", "/databases/{id}")

    def comment(self, comment_id: str) -> Document:
        """One comment, resolved or not."""
        return self._one(f"/comments/{comment_id}", "/comments/{id}")

    def me(self) -> Document:
        """The integration itself, with the workspace's name."""
        return self._one("/users/me", "/users/me")

    # ----------------------------------------------------------------- paging

    def _one(self, path: str, endpoint: str) -> Document:
        found: Document = self.api.get(path, endpoint=endpoint, kind=KIND)
        return found

    def _list(self, path: str, endpoint: str, params: Document | None = None) -> list[Document]:
        answers = self._pages("GET", path, params or {}, endpoint=endpoint)
        return [document for answer in answers for document in answer["results"]]

    def _pages(self, method: str, path: str, asked: Document, endpoint: str | None = None) -> Iterator[Document]:
        """Every page of a list. Stops only when Notion says that there is no more."""
        paging = Paging("Notion", endpoint or path)
        more: Document = {"page_size": PAGE_SIZE}
        while True:
            if method == "GET":
                answer = self.api.get(path, {**asked, **more}, endpoint=endpoint, kind=KIND)
            else:
                answer = self.api.post(path, {**asked, **more}, endpoint=endpoint, kind=KIND)
            yield answer
            if not answer.get("has_more"):
                return
            more["start_cursor"] = paging.next(answer.get("next_cursor"), found=len(answer["results"]))
            if not more["start_cursor"]:
                raise paging.broken("it says that there is more, and gives no cursor")


def _times(name: str, comparison: str, bound: datetime | str) -> Document:
    text = bound if isinstance(bound, str) else bound.isoformat(timespec="milliseconds")
    return {"timestamp": name, name: {comparison: text}}
