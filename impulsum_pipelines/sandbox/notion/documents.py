"""The documents of the workspace as Notion writes them: times to the minute, values cut at 25, signed file addresses.

Shapes follow recorded answers of version 2025-09-03; version 2026-03-11 has no field ``archived`` any more.
https://developers.notion.com/guides/get-started/upgrade-guide-2026-03-11.md
"""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sandbox.clock import to_datetime
from impulsum_pipelines.sandbox.notion.world import (
    Block,
    Database,
    DataSource,
    NotionComment,
    NotionPage,
    NotionUser,
    NotionWorld,
    Thing,
)

Document = dict[str, Any]

#: The most values of a property in a page object; the property's own endpoint gives all.
INLINE_ITEMS = 25
#: How long the address of an uploaded file is valid, ms.
FILE_LIFE_MS = 3_600_000
_TEXTS = ("title", "rich_text")


def minute(ms: int) -> str:
    """A time as Notion shows it: cut to the minute."""
    return f"{to_datetime(ms - ms % 60_000):%Y-%m-%dT%H:%M:%S}.000Z"


def _second(ms: int) -> str:
    return to_datetime(ms).isoformat(timespec="milliseconds")


def rich_text(text: str) -> Document:
    """One run of plain text."""
    style = dict.fromkeys(("bold", "italic", "strikethrough", "underline", "code"), False)
    return {
        "type": "text",
        "text": {"content": text, "link": None},
        "annotations": {**style, "color": "default"},
        "plain_text": text,
        "href": None,
    }


class NotionDocuments:
    """The documents of one workspace in one version of the API."""

    def __init__(self, world: NotionWorld, version: str) -> None:
        self.world = world
        self.with_archived = version < "2026-03-11"

    def _person(self, user_id: str) -> Document:
        return {"object": "user", "id": user_id}

    def _parent(self, thing: Thing) -> Document:
        if thing.parent_type == "workspace":
            return {"type": "workspace", "workspace": True}
        parent: Document = {"type": thing.parent_type, thing.parent_type: thing.parent_id}
        if thing.parent_type == "data_source_id":
            parent["database_id"] = self.world.data_sources[thing.parent_id].parent_id
        return parent

    def _file(self, name: str) -> Document:
        """An uploaded file; its address gets a new signature in each answer."""
        now = self.world.clock.now()
        self.world.signed += 1
        signature = f"{self.world.signed:064x}"
        stamp = f"{to_datetime(now):%Y%m%dT%H%M%SZ}"
        url = f"https://files.example.com/{name}?X-Amz-Date={stamp}&X-Amz-Expires=3600&X-Amz-Signature={signature}"
        return {"url": url, "expiry_time": _second(now + FILE_LIFE_MS).replace("+00:00", "Z")}

    def _edits(self, thing: Thing) -> Document:
        return {
            "created_time": minute(thing.created),
            "last_edited_time": minute(thing.edited),
            "created_by": self._person(thing.created_by),
            "last_edited_by": self._person(thing.edited_by),
        }

    def _trash(self, thing: Thing) -> Document:
        trashed = self.world.is_trashed(thing)
        return {"in_trash": trashed, **({"archived": trashed} if self.with_archived else {})}

    def _address(self, thing: Thing) -> str:
        return f"https://app.notion.com/p/{thing.id.replace('-', '')}"

    def user(self, user: NotionUser) -> Document:
        """A person or the integration."""
        common = {"object": "user", "id": user.id, "name": user.name, "avatar_url": None}
        if user.email:
            return {**common, "type": "person", "person": {"email": user.email, "email_verified": True}}
        bot = {
            "owner": {"type": "workspace", "workspace": True},
            "workspace_name": self.world.name,
            "workspace_id": self.world.bot.id,
            "workspace_limits": {"max_file_upload_size_in_bytes": 5_242_880},
        }
        return {**common, "type": "bot", "bot": bot}

    def page(self, page: NotionPage) -> Document:
        """A page without its content."""
        cover = {"type": "file", "file": self._file(f"{page.id}/cover.png")} if page.has_cover else None
        url = self._address(page)
        return {
            "object": "page",
            "id": page.id,
            **self._edits(page),
            "cover": cover,
            "icon": None,
            "parent": self._parent(page),
            **self._trash(page),
            "is_archived": self.world.is_trashed(page),
            "is_locked": False,
            "properties": self._properties(page),
            "url": url,
            "public_url": url.replace("app.notion.com/p", "public.notion.site") if page.public else None,
        }

    def _properties(self, page: NotionPage) -> Document:
        source = self.world.data_sources.get(page.parent_id)
        if source is None:
            return {"title": {"id": "title", "type": "title", "title": [rich_text(page.title)]}}
        shown: Document = {}
        for name, (property_id, kind) in source.schema.items():
            value = [page.title] if kind == "title" else page.properties.get(name, (kind, None))[1]
            shown[name] = {"id": property_id, "type": kind, **self._value(kind, value)}
        return shown

    def _value(self, kind: str, value: Any) -> Document:
        items = [self.item(kind, one) for one in value or []] if isinstance(value, list | None) else []
        if kind == "relation":
            return {"relation": items[:INLINE_ITEMS], "has_more": len(items) > INLINE_ITEMS}
        if kind in (*_TEXTS, "people", "files"):
            return {kind: items[:INLINE_ITEMS]}
        if kind in ("status", "select"):
            return {kind: {"id": value.lower(), "name": value, "color": "default"} if value else None}
        if kind == "date":
            return {kind: {"start": value, "end": None, "time_zone": "Europe/Berlin"} if value else None}
        return {kind: value}

    def item(self, kind: str, value: Any) -> Document:
        """One of several values of a property, as both the page and the property's own endpoint show it."""
        if kind in _TEXTS:
            return rich_text(value)
        if kind == "files":
            return {"name": value, "type": "file", "file": self._file(value)}
        return self._person(value) if kind == "people" else {"id": value}

    def data_source(self, source: DataSource) -> Document:
        """A data source with its schema."""
        database = self.world.databases[source.parent_id]
        schema: Document = {
            name: {"id": property_id, "name": name, "description": None, "type": kind, kind: {}}
            for name, (property_id, kind) in source.schema.items()
        }
        return {
            "object": "data_source",
            "id": source.id,
            "cover": None,
            "icon": None,
            **self._edits(source),
            "title": [rich_text(source.title)],
            "description": [],
            "is_inline": False,
            "properties": schema,
            "parent": self._parent(source),
            "database_parent": self._parent(database),
            "url": self._address(database),
            "public_url": None,
            **self._trash(source),
        }

    def database(self, database: Database) -> Document:
        """A database with the list of its data sources."""
        sources = [self.world.data_sources[i] for i in database.data_sources]
        return {
            "object": "database",
            "id": database.id,
            "title": [rich_text(database.title)],
            "description": [],
            "parent": self._parent(database),
            "is_inline": False,
            **self._trash(database),
            "is_locked": False,
            "created_time": _second(database.created),
            "last_edited_time": _second(database.edited),
            "data_sources": [{"id": s.id, "name": s.title} for s in sources if self.world.is_alive(s)],
            "icon": None,
            "cover": None,
            "url": self._address(database),
            "public_url": None,
        }

    def block(self, block: Block) -> Document:
        """A block; a block for a child page or database has the edit time of that page or database."""
        thing = self.world.find(block.id)
        children = thing.children if isinstance(thing, NotionPage | Block) else []
        has_children = bool(self.world.listed(children)) or block.synced_from is not None
        return {
            "object": "block",
            "id": block.id,
            "parent": self._parent(block),
            **self._edits(thing),
            "has_children": has_children,
            **self._trash(thing),
            "type": block.type,
            block.type: self._content(block, thing),
        }

    def _content(self, block: Block, thing: Thing) -> Document:
        if isinstance(thing, NotionPage | Database):
            return {"title": thing.title}
        if block.type == "synced_block":
            source = block.synced_from
            return {"synced_from": {"type": "block_id", "block_id": source} if source else None}
        if block.type == "image":
            return {"caption": [rich_text(block.text)], "type": "file", "file": self._file(f"{block.id}.png")}
        if block.type in ("divider", "unsupported"):
            return {}
        content: Document = {"rich_text": [rich_text(block.text)], "color": "default"}
        if block.type == "to_do":
            content["checked"] = False
        if block.type == "paragraph":
            content["icon"] = None
        return content

    def comment(self, comment: NotionComment) -> Document:
        """A comment."""
        on = ("block_id", comment.block_id) if comment.block_id else ("page_id", comment.page_id)
        name = self.world.users[comment.created_by].name
        return {
            "object": "comment",
            "id": comment.id,
            "parent": {"type": on[0], on[0]: on[1]},
            "discussion_id": comment.discussion_id,
            "created_time": minute(comment.created),
            "last_edited_time": minute(comment.edited),
            "created_by": self._person(comment.created_by),
            "rich_text": [rich_text(comment.text)],
            "display_name": {"type": "user", "resolved_name": name},
        }
