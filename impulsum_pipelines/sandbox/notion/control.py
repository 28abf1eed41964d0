"""Notion's verbs at the control door, ``POST /_sandbox/notion/<verb>``.

Pages, blocks and data sources are named by id; an edit happens at the clock's next tick. As with the vendor,
comments, nested blocks, moves and the trash do not change a page's edit time.
"""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sandbox.notion.documents import minute
from impulsum_pipelines.sandbox.notion.limits import PER_WINDOW, NotionLimits
from impulsum_pipelines.sandbox.notion.world import (
    RESULT_CAP,
    Block,
    Database,
    DataSource,
    NotionPage,
    NotionWorld,
    Thing,
)

Answer = dict[str, Any]


class NotionControl:
    """The verbs."""

    def __init__(self, world: NotionWorld, limits: NotionLimits) -> None:
        self._world = world
        self._limits = limits

    def _page(self, page: str) -> NotionPage:
        found = self._world.find(page)
        if not isinstance(found, NotionPage):
            raise LookupError(f"{page} is no page")
        return found

    def _somebody(self) -> str:
        return next(iter(self._world.users))

    # -- reading

    def truth(self) -> Answer:
        """Every record that the source must have stored now, by raw table and id."""
        world = self._world
        pages = [page for page in world.pages.values() if world.is_alive(page)]
        blocks: dict[str, Answer] = {}
        for page in pages:
            self._blocks(page.id, page.children, 0, blocks)
        alive = {page.id for page in pages}
        return {
            "users": {user.id: {"name": user.name, "email": user.email} for user in world.users.values()},
            "data_sources": {
                source.id: {"title": source.title, "database_id": source.parent_id}
                for source in world.data_sources.values()
                if world.is_alive(source)
            },
            "pages": {page.id: self._page_row(page) for page in pages},
            "blocks": blocks,
            "comments": {
                comment.id: {"page_id": comment.page_id, "text": comment.text, "created_by_id": comment.created_by}
                for comment in world.comments.values()
                if comment.page_id in alive and comment.block_id is None and not comment.resolved
            },
        }

    def _page_row(self, page: NotionPage) -> Answer:
        source = page.parent_id if page.parent_type == "data_source_id" else None
        return {
            "title": page.title,
            "parent_type": page.parent_type,
            "parent_id": page.parent_id or None,
            "data_source_id": source,
            "is_public": page.public,
            "in_trash": False,
            "created_at": minute(page.created),
            "updated_at": minute(page.edited),
            "last_edited_by_id": page.edited_by,
        }

    def _blocks(self, page_id: str, children: list[str], depth: int, found: dict[str, Answer]) -> None:
        for position, block in enumerate(self._world.listed(children)):
            thing = self._world.find(block.id)
            title = thing.title if isinstance(thing, NotionPage | Database) else block.text
            found[block.id] = {
                "page_id": page_id,
                "parent_id": block.parent_id,
                "depth": depth,
                "position": position,
                "type": block.type,
                "text": (title if block.type not in ("divider", "synced_block", "unsupported") else None) or None,
                "updated_at": minute(thing.edited),
            }
            if isinstance(thing, Block) and not thing.synced_from and thing.type != "unsupported":
                self._blocks(page_id, block.children, depth + 1, found)

    def stats(self) -> Answer:
        """How many requests the limit refused."""
        return {"refused": self._limits.refused}

    # -- pages

    def create_page(
        self,
        parent: str | None = None,
        title: str = "A new page",
        properties: dict[str, tuple[str, Any]] | None = None,
        lines: list[str] | None = None,
        public: bool = False,
        has_cover: bool = False,
    ) -> Answer:
        """Create a page in a data source, under a page or a block, or (none) at the top; ``lines`` are its text."""
        at, by = self._world.clock.tick(), self._somebody()
        given = {name: (kind, value) for name, (kind, value) in (properties or {}).items()}
        above = self._world.find(parent) if parent else None
        page = self._world.create_page(title, above, by=by, at=at, properties=given, public=public, has_cover=has_cover)
        for line in lines or ():
            self._world.append_block(page, line, by=by, at=at)
        return {"id": page.id}

    def edit_page(
        self,
        page: str,
        title: str | None = None,
        properties: dict[str, tuple[str, Any]] | None = None,
        public: bool | None = None,
        quiet: bool = False,
    ) -> Answer:
        """Edit the title or properties (name to type and value); ``quiet`` does not change the edit time."""
        found = self._page(page)
        found.title = title if title is not None else found.title
        found.public = public if public is not None else found.public
        found.properties |= {name: (kind, value) for name, (kind, value) in (properties or {}).items()}
        if not quiet:
            self._world.touch(found, self._somebody(), self._world.clock.tick())
        return {"edited": minute(found.edited)}

    def trash_page(self, page: str) -> Answer:
        """Move a page or a database to the trash, with everything under it; no edit time changes."""
        self._world.find(page).trashed = True
        return {}

    def restore_page(self, page: str) -> Answer:
        """Restore a page or a database from the trash; no edit time changes."""
        self._world.find(page).trashed = False
        return {}

    def move_page(self, page: str, target: str) -> Answer:
        """Move a page to another data source or under another page; its edit time does not change."""
        above = self._world.find(target)
        if not isinstance(above, NotionPage | DataSource):
            raise LookupError(f"{target} cannot hold pages")
        self._world.move_page(self._page(page), above)
        return {}

    def unshare(self, thing: str) -> Answer:
        """Hide a page, a database or a data source from the integration, with everything under it."""
        self._world.find(thing)
        self._world.hidden.add(thing)
        return {}

    def share(self, thing: str) -> Answer:
        """Share it with the integration again; no edit time changes."""
        self._world.hidden.discard(thing)
        return {}

    # -- blocks

    def append_blocks(
        self,
        parent: str,
        count: int = 1,
        text: str = "Line",
        depth: int = 1,
        kind: str = "paragraph",
        first: bool = False,
        synced_from: str | None = None,
        quiet: bool = False,
    ) -> Answer:
        """Append ``count`` blocks to a page or a block; with ``depth`` above 1 the last one gets nested children.

        ``first`` puts them before all others, which changes every position.
        """
        at, by = self._world.clock.tick(), self._somebody()
        above = self._world.find(parent)
        ids = []
        block: Thing = above
        for number in range(count):
            block = self._world.append_block(
                above, f"{text} {number}", by=by, at=at, kind=kind, first=first, synced_from=synced_from
            )
            ids.append(block.id)
        for level in range(1, depth):
            block = self._world.append_block(block, f"{text}, level {level}", by=by, at=at)
            ids.append(block.id)
        if isinstance(above, NotionPage) and not quiet:
            self._world.touch(above, by, at)
        return {"ids": ids}

    def edit_block(self, block: str, text: str, quiet: bool = False) -> Answer:
        """Edit a block. The page's edit time changes only for a block of the first level, and not when ``quiet``."""
        found = self._world.blocks[block]
        at, by = self._world.clock.tick(), self._somebody()
        found.text = text
        self._world.touch(found, by, at)
        if found.parent_type == "page_id" and not quiet:
            self._world.touch(self._world.find(found.page_id), by, at)
        return {}

    def delete_block(self, block: str, quiet: bool = False) -> Answer:
        """Delete a block with its children; the page's edit time changes as by an edit of the block."""
        found = self._world.blocks[block]
        found.trashed = True
        if found.parent_type == "page_id" and not quiet:
            self._world.touch(self._world.find(found.page_id), self._somebody(), self._world.clock.tick())
        return {}

    # -- comments

    def comment(self, page: str, text: str = "A comment", block: str | None = None) -> Answer:
        """Comment on a page, or on one of its blocks; no edit time changes."""
        at = self._world.clock.tick()
        made = self._world.add_comment(self._page(page), text, by=self._somebody(), at=at, block_id=block)
        return {"id": made.id}

    def edit_comment(self, comment: str, text: str) -> Answer:
        """Edit a comment."""
        found = self._world.comments[comment]
        found.text, found.edited = text, self._world.clock.tick()
        return {}

    def delete_comment(self, comment: str) -> Answer:
        """Delete a comment."""
        del self._world.comments[comment]
        return {}

    def resolve_comment(self, comment: str) -> Answer:
        """Resolve a comment: it still exists, but is no longer listed."""
        self._world.comments[comment].resolved = True
        return {}

    # -- databases

    def create_database(self, page: str, title: str = "A new database") -> Answer:
        """Put a database with one data source (a title and a relation) on a page."""
        at, by = self._world.clock.tick(), self._somebody()
        database = self._world.create_database(title, self._page(page), by=by, at=at)
        schema = {"Name": "title", "Related": "relation"}
        source = self._world.create_data_source(title, database, schema, by=by, at=at)
        return {"id": database.id, "data_source": source.id}

    def create_data_source(self, database: str, title: str = "A new data source") -> Answer:
        """Add a data source to a database."""
        above = self._world.databases[database]
        at = self._world.clock.tick()
        schema = {"Name": "title", "Related": "relation"}
        return {"id": self._world.create_data_source(title, above, schema, by=self._somebody(), at=at).id}

    # -- the integration, limits and faults

    def add_user(self, name: str, email: str) -> Answer:
        """Add a member."""
        return {"id": self._world.add_user(name, email).id}

    def deny(self, capability: str, denied: bool = True) -> Answer:
        """Take a capability (content, read comments, user information) from the integration, or give it back."""
        (self._world.denied.add if denied else self._world.denied.discard)(capability)
        return {}

    def revoke_token(self, revoked: bool = True) -> Answer:
        """Revoke the token, or make it valid again."""
        self._world.token_revoked = revoked
        return {}

    def cap(self, results: int = RESULT_CAP) -> Answer:
        """Set the most results of one query or search."""
        self._world.cap = results
        return {}

    def limit(self, per_minute: int = PER_WINDOW) -> Answer:
        """Set how many requests are allowed in any 60 seconds of real time."""
        self._limits.per_window = per_minute
        return {}

    def search_lag(self, seconds: float) -> Answer:
        """Let search find each thing only this long after it was made."""
        self._world.search_lag = round(seconds * 1000)
        return {}

    def unindex(self, thing: str, unindexed: bool = True) -> Answer:
        """Hide a thing from search, or (false) let search find it again."""
        (self._world.unindexed.add if unindexed else self._world.unindexed.discard)(thing)
        return {}
