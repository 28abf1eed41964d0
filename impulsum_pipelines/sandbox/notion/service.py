"""Notion's REST API for the workspace: paths, paging by cursor, the result cap, limits and errors.

https://developers.notion.com/reference/intro. It only reads; edits are made at the control door.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from impulsum_pipelines.sandbox.faults import Fault
from impulsum_pipelines.sandbox.notion.control import NotionControl
from impulsum_pipelines.sandbox.notion.documents import Document, NotionDocuments
from impulsum_pipelines.sandbox.notion.history import build_world
from impulsum_pipelines.sandbox.notion.limits import NotionLimits
from impulsum_pipelines.sandbox.notion.queries import NotionRefusal, matching
from impulsum_pipelines.sandbox.notion.world import Block, NotionPage, NotionWorld, Thing
from impulsum_pipelines.sandbox.team import Team

TOKEN = "ntn_sandbox"  # noqa: S105  # it opens nothing but the sandbox
VERSIONS = ("2022-06-28", "2025-09-03", "2026-03-11")
PAGE_SIZE = 100
#: The capability that the integration needs, by the beginning of a path.
CAPABILITIES = {"users": "user information", "comments": "read comments"}


def env(url: str) -> dict[str, str]:
    """The settings that point the source at the sandbox at ``url``."""
    return {"NOTION_API_URL": f"{url}/notion/v1", "NOTION_TOKEN": TOKEN}


def build_service(team: Team) -> Notion:
    """The service with the team's workspace in it."""
    return Notion(build_world(team))


class Notion:
    """The service: the API, and its verbs at the control door."""

    def __init__(self, world: NotionWorld) -> None:
        self.world = world
        self.limits = NotionLimits()
        self.control = NotionControl(world, self.limits)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        body = await request.body()
        try:
            answer, status, headers = self._answer(request, body), 200, {}
        except NotionRefusal as refusal:
            answer, status, headers = refusal.body, refusal.status, refusal.headers
        answer["request_id"] = str(uuid4())
        response = Response(orjson.dumps(answer), status, headers, media_type="application/json")
        await response(scope, receive, send)

    def _answer(self, request: Request, body: bytes) -> Document:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}" or self.world.token_revoked:
            raise NotionRefusal(401, "unauthorized", "API token is invalid.")
        version = request.headers.get("Notion-Version")
        if version not in VERSIONS:
            raise NotionRefusal(400, "missing_version", "Notion-Version header should be one of " + ", ".join(VERSIONS))
        if wait := self.limits.refuse():
            reason = {"rate_limit_reason": "public_api_request_rate_limit"}
            raise NotionRefusal(429, "rate_limited", "You have been rate limited.", reason, {"Retry-After": str(wait)})
        path = request.url.path.removeprefix("/notion/v1/").split("/")
        if capability := CAPABILITIES.get(path[0]):
            self._allow(capability, path)
        elif "content" in self.world.denied:
            raise NotionRefusal(403, "restricted_resource", "Insufficient permissions for this endpoint: read content.")
        asked = orjson.loads(body or b"{}") if request.method == "POST" else dict(request.query_params)
        call = _Call(self.world, NotionDocuments(self.world, version), asked, request.scope.get("sandbox.fault"))
        return call.answer(request.method, path)

    def _allow(self, capability: str, path: Sequence[str]) -> None:
        if capability in self.world.denied and path[1:] != ["me"]:
            raise NotionRefusal(
                403, "restricted_resource", f"Insufficient permissions for this endpoint: {capability}."
            )


class _Call:
    """The handling of one request that has passed the checks."""

    def __init__(self, world: NotionWorld, documents: NotionDocuments, asked: Document, fault: Fault | None) -> None:
        self.world = world
        self.documents = documents
        self.asked = asked
        self.fault = fault

    def answer(self, method: str, path: Sequence[str]) -> Document:  # noqa: PLR0911  # one line per endpoint
        """The body of the answer."""
        match (method, *path):
            case "GET", "users":
                return self._list(list(self.world.users.values()), self.documents.user, "user")
            case "GET", "users", "me":
                return self.documents.user(self.world.bot)
            case "POST", "search":
                return self._search()
            case "GET", "databases", thing_id:
                return self.documents.database(self._visible(self.world.databases, thing_id, "database"))
            case "GET", "data_sources", thing_id:
                return self.documents.data_source(self._visible(self.world.data_sources, thing_id, "data source"))
            case "POST", "data_sources", thing_id, "query":
                return self._query(thing_id)
            case "GET", "pages", thing_id:
                return self.documents.page(self._visible(self.world.pages, thing_id, "page"))
            case "GET", "pages", thing_id, "properties", property_id:
                return self._property(self._visible(self.world.pages, thing_id, "page"), property_id)
            case "GET", "blocks", thing_id, "children":
                return self._children(thing_id)
            case "GET", "comments":
                return self._comments()
            case "GET", "comments", comment_id:
                return self._comment(comment_id)
        raise NotionRefusal(400, "invalid_request_url", "Invalid request URL.")

    def _visible(self, things: dict[str, Any], thing_id: str, noun: str) -> Any:
        """The thing with this id, in the trash or not. What is not shared looks like what does not exist."""
        thing = things.get(thing_id)
        if thing is None or not self.world.is_visible(thing):
            raise NotionRefusal(
                404,
                "object_not_found",
                f"Could not find {noun} with ID: {thing_id}. Make sure the relevant pages and databases are shared "
                'with your integration "delivery-data".',
            )
        return thing

    def _search(self) -> Document:
        wanted = (self.asked.get("filter") or {}).get("value")
        known_until = self.world.clock.now() - self.world.search_lag
        found: list[Thing] = []
        if wanted in (None, "page"):
            found += self.world.pages.values()
        if wanted in (None, "data_source"):
            found += self.world.data_sources.values()
        found = [
            thing
            for thing in found
            if self.world.is_alive(thing) and thing.id not in self.world.unindexed and thing.created <= known_until
        ]
        newest_first = (self.asked.get("sort") or {}).get("direction") != "ascending"
        found.sort(key=lambda thing: (thing.edited // 60_000, thing.id), reverse=newest_first)
        return self._list(found, self._page_or_data_source, "page_or_data_source", cap=True)

    def _page_or_data_source(self, thing: Thing) -> Document:
        return self.documents.page(thing) if isinstance(thing, NotionPage) else self.documents.data_source(thing)  # type: ignore[arg-type]  # one of the two

    def _query(self, thing_id: str) -> Document:
        source = self._visible(self.world.data_sources, thing_id, "data source")
        if self.world.is_trashed(source):
            raise NotionRefusal(404, "object_not_found", f"Could not find data source with ID: {thing_id}.")
        found = matching(self.world.pages_of(thing_id), self.asked.get("filter"), self.asked.get("sorts") or [])
        return self._list(found, self.documents.page, "page_or_data_source", cap=True)

    def _property(self, page: NotionPage, property_id: str) -> Document:
        source = self.world.data_sources.get(page.parent_id)
        schema = source.schema if source else {"title": ("title", "title")}
        named = [(name, kind) for name, (known, kind) in schema.items() if known in (property_id, _quoted(property_id))]
        if not named:
            raise NotionRefusal(404, "object_not_found", f"Could not find property with ID: {property_id}")
        [(name, kind)] = named
        values = [page.title] if kind == "title" else page.properties.get(name, (kind, None))[1] or []

        def item(value: Any) -> Document:
            return {"object": "property_item", "type": kind, "id": property_id, kind: self.documents.item(kind, value)}

        answer = self._list(values, item, "property_item", key=lambda value: str(values.index(value)))
        answer["property_item"] = {"id": property_id, "next_url": None, "type": kind, kind: {}}
        return answer

    def _children(self, thing_id: str) -> Document:
        try:
            thing = self.world.find(thing_id)
        except LookupError:
            thing = None
        if not isinstance(thing, NotionPage | Block) or not self.world.is_alive(thing):
            raise NotionRefusal(404, "object_not_found", f"Could not find block with ID: {thing_id}.")
        if isinstance(thing, Block) and thing.type == "unsupported":
            raise NotionRefusal(400, "validation_error", "Block type transcription is not supported via the API.")
        original = self.world.find(thing.synced_from) if isinstance(thing, Block) and thing.synced_from else thing
        children = original.children if isinstance(original, NotionPage | Block) else []
        return self._list(self.world.listed(children), self.documents.block, "block")

    def _comments(self) -> Document:
        """Open comments of a page itself, or of one block; a page's list does not have the comments on its blocks."""
        asked = self.asked.get("block_id", "")
        thing = self._visible({**self.world.blocks, **self.world.pages}, asked, "block")
        found = [
            comment
            for comment in self.world.comments.values()
            if not comment.resolved and (comment.block_id or comment.page_id) == thing.id
        ]
        return self._list(found, self.documents.comment, "comment")

    def _comment(self, comment_id: str) -> Document:
        comment = self.world.comments.get(comment_id)
        if comment is None or not self.world.is_visible(self.world.pages[comment.page_id]):
            raise NotionRefusal(404, "object_not_found", f"Could not find comment with ID: {comment_id}.")
        return self.documents.comment(comment)

    def _list(
        self,
        things: Sequence[Any],
        write: Callable[[Any], Document],
        kind: str,
        *,
        cap: bool = False,
        key: Callable[[Any], str] = lambda thing: str(thing.id),
    ) -> Document:
        """One page of a list. The cursor is the key of the thing with which the page begins."""
        size = int(self.asked.get("page_size") or PAGE_SIZE)
        if not 1 <= size <= PAGE_SIZE:
            raise NotionRefusal(400, "validation_error", f"page_size should be less than or equal to `{PAGE_SIZE}`.")
        capped = cap and len(things) > self.world.cap
        things = things[: self.world.cap] if capped else things
        keys = [key(thing) for thing in things]
        cursor = self.asked.get("start_cursor")
        if cursor and cursor not in keys:
            raise NotionRefusal(400, "validation_error", f"The start_cursor provided is invalid: {cursor}")
        start = keys.index(cursor) if cursor else 0
        end = start + size
        shown, following = things[start:end], keys[end] if end < len(keys) else None
        if self.fault and self.fault.kind == "empty_page":
            shown, following = [], keys[start] if keys else None
        if self.fault and self.fault.kind == "repeat_token":
            following = cursor or (keys[0] if keys else None)
        if self.fault and self.fault.kind == "end_early":
            following = None
        answer: Document = {
            "object": "list",
            "results": [write(thing) for thing in shown],
            "next_cursor": following,
            "has_more": following is not None,
            "type": kind,
            kind: {},
        }
        if capped:
            answer["request_status"] = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
        return answer


def _quoted(property_id: str) -> str:
    return property_id.replace(":", "%3A")
