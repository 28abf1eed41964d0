"""Which pages to read, and reading them whole: properties, blocks to any depth, comments.

Entries of data sources come from queries. Other pages are found by the blocks that stand for them: Notion gives such a
block the page's own edit time, so one list of blocks tells which of the pages under it changed. Search only hints at
what to look for. What no edit time tells (comments, nested blocks, moves, the trash) the census finds: it reads
every page again and asks for each that it does not meet.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import CensusCount, Scan, Sync
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.notion.client import Document, NotionClient
from impulsum_pipelines.sources.notion.rows import parent_of
from impulsum_pipelines.sources.notion.site import Gone, Places
from impulsum_pipelines.sources.notion.tables import BLOCKS, COMMENTS, DATA_SOURCES, PAGES

log = logging.getLogger(__name__)

#: A block at its place: the document, its page, its depth and its position.
Placed = tuple[Document, str, int, int]
#: In memory: what the integration was not permitted to read, so that all of it is read once it is.
LACKING = "lacking"
#: Parents of pages outside data sources, each a scope of the census.
_TREE_PARENTS = {"workspace": "top of the workspace", "page_id": "pages under pages", "block_id": "pages in blocks"}


@dataclass
class Step:
    """What one step of the walk read."""

    data_sources: list[Document] = field(default_factory=list)
    pages: list[Document] = field(default_factory=list)
    blocks: list[Placed] = field(default_factory=list)
    #: (page, comment)
    comments: list[tuple[str, Document]] = field(default_factory=list)
    #: The last step says so, that what was held back is given on.
    is_last: bool = False


class Walk:
    """The pages of one sync.

    Args:
        client: the client.
        sync: the sync.
        hints: what search gave.
    """

    def __init__(self, client: NotionClient, sync: Sync, hints: list[Document]) -> None:
        self.client = client
        self.sync = sync
        self.whole = sync.is_first or sync.census
        self.places = Places(client, sync, hints, whole=self.whole)
        self.gone = Gone()
        self._gone_comments = Gone()
        self._hints = [document for document in hints if document.get("object") == "page"]
        self._alive = sync.held.ids(PAGES.name)
        self._settled = sync.held.ids(PAGES.name, settled=True)
        self._met: set[str] = set()
        self._blocks_met: set[str] = set()
        #: Blocks whose children Notion would not list.
        self._unlisted: set[str] = set()
        self._pages_due: deque[str] = deque()
        self._databases_due: deque[str] = deque()
        self._in_tree: Counter[str] = Counter()
        self._missing_in_tree: Counter[str] = Counter()
        self._reads_comments = True
        self._lacks_comments = COMMENTS.name in sync.memory.get(LACKING, [])

    def steps(self) -> Iterator[Step]:
        """Read what is to be read, and record what is gone."""
        yield Step(data_sources=self.places.documents())
        for source_id in self.places.ids:
            yield from self._entries(source_id)
        for hint in self._hints:
            kind, parent_id = parent_of(hint)
            if (kind != "data_source_id" or parent_id not in self.places.ids) and self._wants(hint):
                self._pages_due.append(str(hint["id"]))
        if not self.whole:
            yield from self._containers()
        yield from self._due()
        if self.whole and not self.sync.failures:
            # Each page that is held and was not met is asked for by itself: moved, trashed, or out of sight.
            self._pages_due.extend(self._alive - self._met - self.gone.deleted - self.gone.hidden)
            yield from self._due()
            self._count_tree()
        elif self._lacks_comments and self.sync.window is None:
            yield from self._comments_of_others()
        self._record()
        yield Step(is_last=True)

    def _wants(self, document: Document) -> bool:
        """Whether a page outside data sources is to be read, by its own times or those of its block."""
        at = as_datetime(document.get("last_edited_time"))
        until = self.sync.until
        in_span = at is None or (at >= self.sync.since and (until is None or at < until))
        return self.whole or in_span or (until is None and str(document["id"]) not in self._settled)

    # ---------------------------------------------------------- data sources

    def _entries(self, source_id: str) -> Iterator[Step]:
        """The pages of one data source that changed; of a new one, or in a census, all of them."""
        everything = self.whole or (self.sync.window is None and self.places.is_new(source_id))
        since = self.sync.first_day if everything else self.sync.since
        found: set[str] = set()
        try:
            for documents in self.client.entries(source_id, since, None if everything else self.sync.until):
                self.sync.stream(PAGES.name).pages += 1
                for document in documents:
                    found.add(str(document["id"]))
                    yield from self._read(document)
        except NotFoundError:
            self._lost(source_id)
            return
        except ImpulsumError as error:
            if error.category is not Category.BAD_DATA or "than one query gives" not in error.what:
                raise
            self.sync.stream(PAGES.name).ended = f"early: {error.what}"
            self.sync.fail(error)
            return
        if self.whole:
            missing = len(found - self._alive)
            name = self.places.titles[source_id]
            self.sync.counts.append(
                CensusCount(PAGES.name, source_id, name, len(found), missing, column="data_source_id")
            )

    def _lost(self, source_id: str) -> None:
        """A data source cannot be queried any more: its pages went the way that it went."""
        self.places.checked(source_id)
        deleted = source_id in self.places.gone.deleted
        if not deleted:
            self.places.gone.hidden.add(source_id)
        (self.gone.deleted if deleted else self.gone.hidden).update(self.places.pages_of(source_id) - self._met)

    # ------------------------------------------------------------------ pages

    def _due(self) -> Iterator[Step]:
        """Read the pages and databases that wait for it, and those that they lead to."""
        while self._pages_due or self._databases_due:
            while self._databases_due:
                documents = self.places.of_database(self._databases_due.popleft())
                yield Step(data_sources=documents)
                for document in documents:
                    yield from self._entries(str(document["id"]))
            if self._pages_due:
                yield from self._asked(self._pages_due.popleft())

    def _asked(self, page_id: str) -> Iterator[Step]:
        """A page asked for by its id."""
        if page_id not in self._met and (document := self._found(page_id)):
            yield from self._read(document)

    def _found(self, page_id: str) -> Document | None:
        """A page as it is now; None, and noted as gone, where it is in the trash or not to be seen."""
        try:
            document = self.client.page(page_id)
        except NotFoundError:
            self.gone.hidden.add(page_id)
            return None
        if document.get("in_trash"):
            self.gone.deleted.add(page_id)
            return None
        return document

    def _read(self, document: Document, *, again: bool = False) -> Iterator[Step]:
        """A page with all that belongs to it. One of which a part is not found is asked for once more."""
        page_id = str(document["id"])
        if page_id in self._met:
            return
        unlisted = len(self._unlisted)
        try:
            page = self.client.whole(document)
            blocks = list(self._blocks(page_id, page_id, 0))
            comments = self._comments(page_id)
        except NotFoundError as error:
            log.info("a part of page %s was not found", page_id)
            yield from self._lost_in_part(page_id, error, again=again)
            return
        if len(self._unlisted) > unlisted and self._found(page_id) is None:
            return
        self._met.add(page_id)
        self._blocks_met.update(str(block["id"]) for block, *_ in blocks)
        kind = str(parent_of(page)[0])
        self._in_tree[kind] += 1
        self._missing_in_tree[kind] += page_id not in self._alive
        self._follow(blocks)
        self.sync.report(PAGES.name, len(self._met), None)
        yield Step(pages=[page], blocks=blocks, comments=[(page_id, comment) for comment in comments])

    def _lost_in_part(self, page_id: str, error: ImpulsumError, *, again: bool) -> Iterator[Step]:
        """The page is gone; else it is read once more, and where that does not help it stays held as it is."""
        document = self._found(page_id)
        if document is None:
            return
        if not again:
            yield from self._read(document, again=True)
            return
        self.sync.stream(PAGES.name).ended = f"early: a page could not be read whole ({error.where})"
        self.sync.fail(error)

    def _blocks(self, parent_id: str, page_id: str, depth: int) -> Iterator[Placed]:
        """The blocks under a page or block, in reading order.

        Not followed: what stands for a page or database, which is read as such; a synced copy, whose blocks are those
        of its original, ids included; and what Notion's API does not support.
        """
        found = self._nested(parent_id) if depth else self.client.children(parent_id)
        for position, block in enumerate(found):
            yield block, page_id, depth, position
            if block.get("has_children") and _is_followed(block):
                yield from self._blocks(str(block["id"]), page_id, depth + 1)

    def _nested(self, block_id: str) -> list[Document]:
        """The blocks under a block; none where Notion does not list them, which says nothing of the page around it."""
        try:
            return self.client.children(block_id)
        except ImpulsumError as error:
            if not _is_refusal(error):
                raise
            log.warning("The blocks under block %s are not listed: %s", block_id, error.what)
            self._unlisted.add(block_id)
            return []

    def _follow(self, blocks: list[Placed]) -> None:
        """Note the pages and databases that blocks lead to, where they are to be read."""
        for block, *_ in blocks:
            if block.get("type") == "child_page" and self._wants(block):
                self._pages_due.append(str(block["id"]))
            if block.get("type") == "child_database" and not self.places.is_known(str(block["id"])):
                self._databases_due.append(str(block["id"]))

    def _comments(self, page_id: str) -> list[Document]:
        """The open comments of a page. One that is held and not among them was resolved, or is gone."""
        if not self._reads_comments:
            return []
        try:
            found = self.client.comments(page_id)
        except NotFoundError:
            raise
        except ImpulsumError as error:
            if error.category is not Category.PERMISSION:
                raise
            self._reads_comments = False
            self.sync.stream(COMMENTS.name).ended = f"not permitted: {error.what}"
            log.warning("Notion's comments are not read: %s", error.what)
            return []
        held = self.sync.held.query(f"select id from raw.comments where page_id = ? and {ALIVE}", [page_id])
        for comment_id in {held_id for (held_id,) in held} - {str(comment["id"]) for comment in found}:
            try:
                self.client.comment(comment_id)
                self._gone_comments.hidden.add(comment_id)
            except NotFoundError:
                self._gone_comments.deleted.add(comment_id)
        return found

    def _comments_of_others(self) -> Iterator[Step]:
        """The comments of the pages that did not change: earlier pulls were not permitted to read them."""
        for page_id in sorted(self._alive - self._met - self.gone.deleted - self.gone.hidden):
            try:
                found = self._comments(page_id)
            except NotFoundError:  # it went meanwhile, which the census finds
                continue
            if not self._reads_comments:
                return
            yield Step(comments=[(page_id, comment) for comment in found])

    # -------------------------------------------------------------- the tree

    def _containers(self) -> Iterator[Step]:
        """Look again at each list of blocks that leads to pages: which were added, edited, moved or trashed there?

        One request a list, however many pages it leads to.
        """
        lists = self.sync.held.query(
            f"""
            select parent_id, page_id, min(depth), list(id order by position),
                list(id order by position) filter (where type = 'child_page')
            from raw.blocks
            where {ALIVE} and page_id in (select id from raw.pages where {ALIVE})
            group by parent_id, page_id
            having count(*) filter (where type in ('child_page', 'child_database')) > 0
            order by page_id, parent_id
            """
        )
        for parent_id, page_id, depth, held, pages in lists:
            if page_id in self._met:
                continue
            try:
                found = self.client.children(parent_id)
            except ImpulsumError as error:
                if not _is_refusal(error):
                    raise
                self._pages_due.append(page_id)
                continue
            ids = [str(block["id"]) for block in found]
            placed = [(block, page_id, depth, position) for position, block in enumerate(found)]
            self._follow(placed)
            if ids == held:
                yield Step(blocks=placed)
            else:
                self._pages_due.append(page_id)
                self._pages_due.extend(page for page in pages or () if page not in ids)

    # ------------------------------------------------------------------ books

    def _count_tree(self) -> None:
        for kind, name in _TREE_PARENTS.items():
            if self._in_tree[kind]:
                self.sync.counts.append(
                    CensusCount(
                        PAGES.name, kind, name, self._in_tree[kind], self._missing_in_tree[kind], column="parent_type"
                    )
                )

    def _record(self) -> None:
        """Record what the walk proves absent, and what it could not see."""
        if not self._reads_comments:
            self.sync.memory[LACKING] = [COMMENTS.name]
        elif not self.sync.failures:
            self.sync.memory.pop(LACKING, None)
        self.places.gone.record(self.sync, DATA_SOURCES.name)
        self.gone.record(self.sync, PAGES.name)
        self.gone.record_under(self.sync)
        self._gone_comments.record(self.sync, COMMENTS.name)
        existing = self._blocks_met | self._held_under(self._unlisted)
        self.sync.found_all(Scan(BLOCKS.name, existing, ("page_id",), self._met, guarded=False))
        for table in (PAGES, BLOCKS, COMMENTS, DATA_SOURCES):
            self.sync.stream(table.name).conclude()
        if self._unlisted:
            self.sync.stream(BLOCKS.name).ended += f"; blocks under which Notion lists nothing: {len(self._unlisted)}"

    def _held_under(self, block_ids: Collection[str]) -> set[str]:
        """Ids of the blocks that are held under these, to any depth."""
        if not block_ids:
            return set()
        held = self.sync.held.query(
            """
            with recursive under as (
                select id from raw.blocks where list_contains(?, parent_id)
                union
                select blocks.id from raw.blocks inner join under on blocks.parent_id = under.id
            )
            select id from under
            """,
            [list(block_ids)],
        )
        return {block_id for (block_id,) in held}


def _is_refusal(error: ImpulsumError) -> bool:
    """Whether Notion has no list of blocks for this one: it is gone, or of a type that its API does not list (400)."""
    return isinstance(error, NotFoundError) or error.category is Category.CONFIGURATION


def _is_followed(block: Document) -> bool:
    kind = block.get("type")
    copied = kind == "synced_block" and (block.get("synced_block") or {}).get("synced_from")
    return kind not in ("child_page", "child_database", "unsupported") and not copied
