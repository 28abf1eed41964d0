"""The workspace: its things, what the integration sees of them, and every edit. Times are epoch milliseconds.

Answers show minutes only (see :mod:`documents`); the workspace itself stores milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal
from uuid import UUID

from impulsum_pipelines.sandbox.clock import Clock

ParentType = Literal["workspace", "page_id", "database_id", "data_source_id", "block_id"]
#: The most results of one query or search; the vendor's own number.
RESULT_CAP = 10_000


@dataclass
class NotionUser:
    """A member of the workspace, or the integration itself."""

    id: str
    name: str
    email: str | None


@dataclass
class Thing:
    """The common part of pages, blocks, databases and data sources."""

    id: str
    parent_type: ParentType
    parent_id: str
    created: int
    edited: int
    created_by: str
    edited_by: str
    trashed: bool = False


@dataclass
class NotionPage(Thing):
    """A page; ``children`` are the ids of its blocks of the first level, including the ids of child pages."""

    title: str = ""
    #: Type and value of a property, by its name; lists are complete.
    properties: dict[str, tuple[str, Any]] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    public: bool = False
    has_cover: bool = False


@dataclass
class Block(Thing):
    """A block. A block of type ``child_page`` or ``child_database`` has the id of that page or database."""

    page_id: str = ""
    type: str = "paragraph"
    text: str = ""
    children: list[str] = field(default_factory=list)
    synced_from: str | None = None


@dataclass
class Database(Thing):
    """A container of data sources."""

    title: str = ""
    data_sources: list[str] = field(default_factory=list)


@dataclass
class DataSource(Thing):
    """One table of a database: a schema (property name to id and type), and the pages that name it as parent."""

    title: str = ""
    schema: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass
class NotionComment:
    """A comment on a page (``block_id`` None) or on one of its blocks."""

    id: str
    page_id: str
    block_id: str | None
    discussion_id: str
    text: str
    created: int
    edited: int
    created_by: str
    resolved: bool = False


class NotionWorld:
    """One workspace.

    Args:
        clock: the sandbox's clock.
        rng: ids are made from it.
        name: the workspace's name.
    """

    def __init__(self, clock: Clock, rng: Random, name: str) -> None:
        self.clock = clock
        self.name = name
        self._rng = rng
        self.users: dict[str, NotionUser] = {}
        self.pages: dict[str, NotionPage] = {}
        self.blocks: dict[str, Block] = {}
        self.databases: dict[str, Database] = {}
        self.data_sources: dict[str, DataSource] = {}
        self.comments: dict[str, NotionComment] = {}
        self.bot = NotionUser(self.new_id(), "delivery-data", None)
        self.users[self.bot.id] = self.bot
        #: Ids of things that are not shared with the integration; nor is anything under them.
        self.hidden: set[str] = set()
        #: Ids that search does not find, and how long search does not find a new thing (ms).
        self.unindexed: set[str] = set()
        self.search_lag = 0
        self.cap = RESULT_CAP
        self.denied: set[str] = set()
        #: How many file addresses were signed, so that no two are the same.
        self.signed = 0
        self.token_revoked = False

    def new_id(self) -> str:
        """A new id."""
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    # ------------------------------------------------------------ reading

    def find(self, thing_id: str) -> Thing:
        """The thing with this id; for a child page or database not its block, but the page or database.

        Raises:
            LookupError: there is none.
        """
        found: Thing | None = self.pages.get(thing_id) or self.databases.get(thing_id)
        found = found or self.data_sources.get(thing_id) or self.blocks.get(thing_id)
        if found is None:
            raise LookupError(f"there is nothing with the id {thing_id}")
        return found

    def _ancestry(self, thing: Thing) -> Iterator[Thing]:
        yield thing
        while thing.parent_type != "workspace":
            thing = self.find(thing.parent_id)
            yield thing

    def is_visible(self, thing: Thing) -> bool:
        """Whether the thing is shared with the integration."""
        return all(above.id not in self.hidden for above in self._ancestry(thing))

    def is_trashed(self, thing: Thing) -> bool:
        """Whether the thing or something above it is in the trash."""
        return any(above.trashed for above in self._ancestry(thing))

    def is_alive(self, thing: Thing) -> bool:
        """Whether the integration can list the thing."""
        return self.is_visible(thing) and not self.is_trashed(thing)

    def pages_of(self, data_source_id: str) -> list[NotionPage]:
        """The pages of a data source that the integration can list."""
        mine = (p for p in self.pages.values() if (p.parent_type, p.parent_id) == ("data_source_id", data_source_id))
        return [page for page in mine if self.is_alive(page)]

    def listed(self, children: Iterable[str]) -> list[Block]:
        """The blocks of a list of children that the integration sees."""
        found = [self.blocks[child] for child in children]
        return [b for b in found if not b.trashed and self.is_alive(self.find(b.id))]

    # ------------------------------------------------------------------ edits

    def add_user(self, name: str, email: str) -> NotionUser:
        """Add a member."""
        user = NotionUser(self.new_id(), name, email)
        self.users[user.id] = user
        return user

    def _common(
        self, parent_type: ParentType, parent_id: str, by: str, at: int, thing_id: str | None = None
    ) -> dict[str, Any]:
        return {
            "id": thing_id or self.new_id(),
            "parent_type": parent_type,
            "parent_id": parent_id,
            "created": at,
            "edited": at,
            "created_by": by,
            "edited_by": by,
        }

    def create_page(
        self,
        title: str,
        parent: Thing | None,
        *,
        by: str,
        at: int,
        properties: dict[str, tuple[str, Any]] | None = None,
        public: bool = False,
        has_cover: bool = False,
    ) -> NotionPage:
        """Create a page in a data source, under a page or block (with a block for it there), or at the top."""
        kind: ParentType = "workspace"
        if parent is not None:
            kind = "data_source_id" if isinstance(parent, DataSource) else "page_id"
            kind = "block_id" if isinstance(parent, Block) else kind
        page = NotionPage(
            **self._common(kind, parent.id if parent else "", by, at),
            title=title,
            properties=properties or {},
            public=public,
            has_cover=has_cover,
        )
        self.pages[page.id] = page
        if isinstance(parent, NotionPage | Block):
            self._add_child_block(page.id, "child_page", title, parent, by, at)
        return page

    def create_database(self, title: str, parent: NotionPage, *, by: str, at: int) -> Database:
        """Create a database without a data source, on a page."""
        database = Database(**self._common("page_id", parent.id, by, at), title=title)
        self.databases[database.id] = database
        self._add_child_block(database.id, "child_database", title, parent, by, at)
        return database

    def create_data_source(
        self, title: str, database: Database, schema: dict[str, str], *, by: str, at: int
    ) -> DataSource:
        """Add a data source to a database; ``schema`` is property name to type."""
        columns = {
            name: ("title" if kind == "title" else f"p%3A{n}", kind) for n, (name, kind) in enumerate(schema.items())
        }
        source = DataSource(**self._common("database_id", database.id, by, at), title=title, schema=columns)
        self.data_sources[source.id] = source
        database.data_sources.append(source.id)
        return source

    def _add_child_block(self, thing_id: str, kind: str, title: str, parent: Thing, by: str, at: int) -> None:
        page_id = parent.page_id if isinstance(parent, Block) else parent.id
        above: ParentType = "block_id" if isinstance(parent, Block) else "page_id"
        block = Block(**self._common(above, parent.id, by, at, thing_id), page_id=page_id, type=kind, text=title)
        self.blocks[thing_id] = block
        self._children(parent).append(thing_id)
        self.find(parent.id).edited = max(at, parent.edited)

    def _children(self, parent: Thing) -> list[str]:
        if not isinstance(parent, NotionPage | Block):
            raise LookupError(f"{parent.id} holds no blocks")
        return parent.children

    def append_block(
        self,
        parent: Thing,
        text: str,
        *,
        by: str,
        at: int,
        kind: str = "paragraph",
        first: bool = False,
        synced_from: str | None = None,
    ) -> Block:
        """Add a block at the end (``first``: at the beginning) of a page or another block."""
        page_id = parent.page_id if isinstance(parent, Block) else parent.id
        above: ParentType = "block_id" if isinstance(parent, Block) else "page_id"
        block = Block(
            **self._common(above, parent.id, by, at), page_id=page_id, type=kind, text=text, synced_from=synced_from
        )
        self.blocks[block.id] = block
        children = self._children(parent)
        children.insert(0 if first else len(children), block.id)
        return block

    def touch(self, thing: Thing, by: str, at: int) -> None:
        """Set the edit time and the editor of a thing."""
        thing.edited, thing.edited_by = at, by

    def add_comment(
        self, page: NotionPage, text: str, *, by: str, at: int, block_id: str | None = None
    ) -> NotionComment:
        """Add a comment in a new discussion. It does not count as an edit of the page."""
        comment = NotionComment(self.new_id(), page.id, block_id, self.new_id(), text, at, at, by)
        self.comments[comment.id] = comment
        return comment

    def move_page(self, page: NotionPage, target: Thing) -> None:
        """Give a page another parent; its id and edit time stay."""
        if page.id in self.blocks:
            old = self.blocks.pop(page.id)
            self._children(self.find(old.parent_id)).remove(page.id)
        page.parent_type = "data_source_id" if isinstance(target, DataSource) else "page_id"
        page.parent_id = target.id
        if isinstance(target, NotionPage):
            at = page.edited
            self._add_child_block(page.id, "child_page", page.title, target, page.edited_by, at)
