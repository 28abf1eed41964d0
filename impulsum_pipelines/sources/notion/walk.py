"""Which pages to read, and what that proves about stored pages.

Entries of data sources come from queries. Other pages are found by the blocks that stand for them: such a block has
the page's own edit time, so one list of blocks shows which of the pages under it changed. Search only hints at where
to look. Changes that no edit time shows (comments, nested blocks, moves, the trash) are found by the census: it reads
every page again, and asks for each stored page that it does not meet.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import CensusCount, Scan, Sync
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.notion.client import Document, NotionClient
from impulsum_pipelines.sources.notion.page import PageComment, PageReader, PlacedBlock
from impulsum_pipelines.sources.notion.refusals import TooManyEntriesError, lists_no_blocks
from impulsum_pipelines.sources.notion.rows import parent_of
from impulsum_pipelines.sources.notion.site import GoneIds, NotionSite
from impulsum_pipelines.sources.notion.tables import BLOCKS, COMMENTS, DATA_SOURCES, PAGES

log = logging.getLogger(__name__)

#: Name in ``sync.memory``: tables that the integration may not read, so that they are read completely once it may.
LACKING = "lacking"
#: Parents of pages outside data sources, each a scope of the census.
_TREE_PARENTS = {"workspace": "top of the workspace", "page_id": "pages under pages", "block_id": "pages in blocks"}


@dataclass
class NotionStep:
    """What one step of the walk read."""

    data_sources: list[Document] = field(default_factory=list)
    pages: list[Document] = field(default_factory=list)
    blocks: list[PlacedBlock] = field(default_factory=list)
    comments: list[PageComment] = field(default_factory=list)
    #: True for the last step: rows that were kept back for a larger piece are written then.
    is_last: bool = False


class NotionWalk:
    """Reads the pages of one sync.

    Args:
        client: the client.
        sync: the sync.
        site: the workspace.
    """

    def __init__(self, client: NotionClient, sync: Sync, site: NotionSite) -> None:
        self._client = client
        self._sync = sync
        self._site = site
        self._reader = PageReader(client, sync)
        #: Pages that are gone.
        self._gone = GoneIds()
        self._alive = sync.stored.ids(PAGES.name)
        self._settled = sync.stored.ids(PAGES.name, settled=True)
        #: Pages and blocks that were read.
        self._met: set[str] = set()
        self._blocks_met: set[str] = set()
        #: Pages and databases that wait to be read.
        self._pages_due: deque[str] = deque()
        self._databases_due: deque[str] = deque()
        #: By kind of parent, the pages outside data sources, and those of them that were not stored.
        self._in_tree: Counter[str] = Counter()
        self._missing_in_tree: Counter[str] = Counter()
        self._lacked_comments = COMMENTS.name in sync.memory.get(LACKING, [])

    def steps(self) -> Iterator[NotionStep]:
        """Read the pages, step by step, and record what is gone."""
        yield NotionStep(data_sources=self._site.read_data_sources())
        for source_id in self._site.ids:
            yield from self._entries(source_id)
        self._follow_hints()
        if not self._site.reads_everything:
            yield from self._check_block_lists()
        yield from self._read_due()
        if self._site.reads_everything and not self._sync.failures:
            # Ask for each stored page that was not met: it was moved, trashed, or can no longer be seen.
            self._pages_due.extend(self._stored_but_not_met())
            yield from self._read_due()
            self._count_tree()
        elif self._lacked_comments and self._sync.window is None:
            yield from self._comments_of_unchanged_pages()
        self._record()
        yield NotionStep(is_last=True)

    def _stored_but_not_met(self) -> set[str]:
        return self._alive - self._met - self._gone.deleted - self._gone.hidden

    def _must_read(self, document: Document) -> bool:
        """Whether to read a page outside data sources, by its own edit time or that of the block that stands for it."""
        at = as_datetime(document.get("last_edited_time"))
        until = self._sync.until
        in_span = at is None or (at >= self._sync.since and (until is None or at < until))
        return self._site.reads_everything or in_span or (until is None and str(document["id"]) not in self._settled)

    # ---------------------------------------------------------- data sources

    def _entries(self, source_id: str) -> Iterator[NotionStep]:
        """The pages of one data source that changed; in a census, or if the data source is new, all of them."""
        is_new = self._sync.window is None and self._site.is_new(source_id)
        read_all = self._site.reads_everything or is_new
        since = self._sync.first_day if read_all else self._sync.since
        found: set[str] = set()
        try:
            for documents in self._client.entries(source_id, since, None if read_all else self._sync.until):
                self._sync.stream(PAGES.name).pages += 1
                for document in documents:
                    found.add(str(document["id"]))
                    yield from self._read(document)
        except NotFoundError:
            self._record_lost_source(source_id)
            return
        except TooManyEntriesError as error:
            self._sync.stream(PAGES.name).ended = f"early: {error.what}"
            self._sync.fail(error)
            return
        if self._site.reads_everything:
            missing = len(found - self._alive)
            name = self._site.titles[source_id]
            self._sync.counts.append(
                CensusCount(PAGES.name, source_id, name, len(found), missing, column="data_source_id")
            )

    def _record_lost_source(self, source_id: str) -> None:
        """Note that a data source can no longer be queried: its pages are deleted or hidden as it is."""
        self._site.data_source(source_id)
        is_deleted = source_id in self._site.gone.deleted
        if not is_deleted:
            self._site.gone.hidden.add(source_id)
        gone = self._gone.deleted if is_deleted else self._gone.hidden
        gone.update(self._site.stored_pages_of(source_id) - self._met)

    # ------------------------------------------------------------------ pages

    def _read_due(self) -> Iterator[NotionStep]:
        """Read the pages and databases that wait, and those that they lead to."""
        while self._pages_due or self._databases_due:
            while self._databases_due:
                documents = self._site.data_sources_of(self._databases_due.popleft())
                yield NotionStep(data_sources=documents)
                for document in documents:
                    yield from self._entries(str(document["id"]))
            if self._pages_due:
                page_id = self._pages_due.popleft()
                if page_id not in self._met and (page := self._ask_for_page(page_id)):
                    yield from self._read(page)

    def _ask_for_page(self, page_id: str) -> Document | None:
        """A page as it is now; None, and noted as gone, if it is in the trash or cannot be seen."""
        try:
            document = self._client.page(page_id)
        except NotFoundError:
            self._gone.hidden.add(page_id)
            return None
        if document.get("in_trash"):
            self._gone.deleted.add(page_id)
            return None
        return document

    def _read(self, document: Document, *, is_retry: bool = False) -> Iterator[NotionStep]:
        """A page with all that belongs to it. If a part is not found, the page is asked for and read once more."""
        page_id = str(document["id"])
        if page_id in self._met:
            return
        try:
            contents = self._reader.read(document)
        except NotFoundError as error:
            log.info("A part of page %s was not found", page_id)
            yield from self._read_again(page_id, error, is_retry=is_retry)
            return
        if not contents.is_listed and self._ask_for_page(page_id) is None:
            return
        self._met.add(page_id)
        self._blocks_met.update(str(placed.document["id"]) for placed in contents.blocks)
        kind = str(parent_of(contents.page)[0])
        self._in_tree[kind] += 1
        self._missing_in_tree[kind] += page_id not in self._alive
        self._follow(contents.blocks)
        self._sync.report(PAGES.name, len(self._met), None)
        yield NotionStep(pages=[contents.page], blocks=contents.blocks, comments=contents.comments)

    def _read_again(self, page_id: str, error: ImpulsumError, *, is_retry: bool) -> Iterator[NotionStep]:
        """Read the page once more, unless it is gone. If a part is missing again, its stored rows stay unchanged."""
        document = self._ask_for_page(page_id)
        if document is None:
            return
        if not is_retry:
            yield from self._read(document, is_retry=True)
            return
        self._sync.stream(PAGES.name).ended = f"early: a page could not be read completely ({error.where})"
        self._sync.fail(error)

    def _comments_of_unchanged_pages(self) -> Iterator[NotionStep]:
        """The comments of pages that did not change: earlier pulls were not permitted to read them."""
        for page_id in sorted(self._stored_but_not_met()):
            try:
                found = self._reader.comments(page_id)
            except NotFoundError:  # the page is gone; the census finds that
                continue
            if not self._reader.may_read_comments:
                return
            yield NotionStep(comments=found)

    # -------------------------------------------------------------- the tree

    def _follow_hints(self) -> None:
        """Note the pages outside data sources that search found, where they must be read."""
        for hint in self._site.page_hints:
            kind, parent_id = parent_of(hint)
            is_entry = kind == "data_source_id" and parent_id in self._site.ids
            if not is_entry and self._must_read(hint):
                self._pages_due.append(str(hint["id"]))

    def _follow(self, blocks: list[PlacedBlock]) -> None:
        """Note the pages and databases that blocks stand for, where they must be read."""
        for block, *_ in blocks:
            if block.get("type") == "child_page" and self._must_read(block):
                self._pages_due.append(str(block["id"]))
            if block.get("type") == "child_database" and not self._site.knows_database(str(block["id"])):
                self._databases_due.append(str(block["id"]))

    def _check_block_lists(self) -> Iterator[NotionStep]:
        """List again the blocks that stand for pages, to find those that were added, edited, moved or trashed.

        One request per list, however many pages it leads to.
        """
        lists = self._sync.stored.query(
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
        for parent_id, page_id, depth, stored, pages in lists:
            if page_id in self._met:
                continue
            try:
                found = self._client.children(parent_id)
            except ImpulsumError as error:
                if not lists_no_blocks(error):
                    raise
                self._pages_due.append(page_id)
                continue
            ids = [str(block["id"]) for block in found]
            placed = [PlacedBlock(block, page_id, depth, position) for position, block in enumerate(found)]
            self._follow(placed)
            if ids == stored:
                yield NotionStep(blocks=placed)
            else:
                self._pages_due.append(page_id)
                self._pages_due.extend(page for page in pages or () if page not in ids)

    # ------------------------------------------------------- what it proves

    def _count_tree(self) -> None:
        """Record the census of pages outside data sources."""
        for kind, name in _TREE_PARENTS.items():
            if self._in_tree[kind]:
                self._sync.counts.append(
                    CensusCount(
                        PAGES.name, kind, name, self._in_tree[kind], self._missing_in_tree[kind], column="parent_type"
                    )
                )

    def _record(self) -> None:
        """Record what the walk proves absent, and what it could not see."""
        if not self._reader.may_read_comments:
            self._sync.memory[LACKING] = [COMMENTS.name]
        elif not self._sync.failures:
            self._sync.memory.pop(LACKING, None)
        self._site.gone.record(self._sync, DATA_SOURCES.name)
        self._gone.record(self._sync, PAGES.name)
        self._gone.record_contents(self._sync)
        self._reader.gone_comments.record(self._sync, COMMENTS.name)
        unlisted = self._reader.unlisted
        existing = self._blocks_met | self._stored_under(unlisted)
        self._sync.found_all(Scan(BLOCKS.name, existing, ("page_id",), self._met, guarded=False))
        for table in (PAGES, BLOCKS, COMMENTS, DATA_SOURCES):
            self._sync.stream(table.name).conclude()
        if unlisted:
            self._sync.stream(BLOCKS.name).ended += f"; blocks under which Notion lists nothing: {len(unlisted)}"

    def _stored_under(self, block_ids: Collection[str]) -> set[str]:
        """Ids of the stored blocks under these blocks, at any depth."""
        if not block_ids:
            return set()
        stored = self._sync.stored.query(
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
        return {block_id for (block_id,) in stored}
