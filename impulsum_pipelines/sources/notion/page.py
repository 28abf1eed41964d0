"""How one page is read: properties, blocks to any depth, comments. Apart from the walk, which decides which to read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.notion.client import Document, NotionClient
from impulsum_pipelines.sources.notion.refusals import lists_no_blocks
from impulsum_pipelines.sources.notion.site import GoneIds
from impulsum_pipelines.sources.notion.tables import COMMENTS

log = logging.getLogger(__name__)


class PlacedBlock(NamedTuple):
    """A block at its place in a page."""

    document: Document
    page_id: str
    #: 0 for a block of the first level.
    depth: int
    #: Place among the blocks of its parent, from 0.
    position: int


class PageComment(NamedTuple):
    """A comment with the page that it was listed for."""

    page_id: str
    document: Document


@dataclass(frozen=True)
class PageContents:
    """A page with all that belongs to it.

    Args:
        page: the page, with every property complete.
        blocks: its blocks, in reading order.
        comments: its open comments.
        is_listed: False when Notion did not list the blocks under some block.
    """

    page: Document
    blocks: list[PlacedBlock]
    comments: list[PageComment]
    is_listed: bool


class PageReader:
    """Reads pages during one sync, and keeps what could not be read of them.

    Args:
        client: the client.
        sync: the sync.
    """

    def __init__(self, client: NotionClient, sync: Sync) -> None:
        self._client = client
        self._sync = sync
        #: Blocks whose children Notion does not list.
        self.unlisted: set[str] = set()
        #: Comments that are gone.
        self.gone_comments = GoneIds()
        #: False once Notion did not permit to read comments.
        self.may_read_comments = True

    def read(self, document: Document) -> PageContents:
        """A page with its blocks and comments.

        Raises:
            NotFoundError: a part of it was not found.
        """
        page_id = str(document["id"])
        unlisted = len(self.unlisted)
        page = self._client.with_all_properties(document)
        blocks = list(self._blocks(page_id, page_id, 0))
        return PageContents(page, blocks, self.comments(page_id), is_listed=len(self.unlisted) == unlisted)

    def comments(self, page_id: str) -> list[PageComment]:
        """The open comments of a page. A stored comment that is not among them was resolved, or is gone.

        Raises:
            NotFoundError: the page was not found.
        """
        if not self.may_read_comments:
            return []
        try:
            found = self._client.comments(page_id)
        except NotFoundError:
            raise
        except ImpulsumError as error:
            if error.category is not Category.PERMISSION:
                raise
            self.may_read_comments = False
            self._sync.stream(COMMENTS.name).ended = f"not permitted: {error.what}"
            log.warning("Notion's comments are not read: %s", error.what)
            return []
        stored = self._sync.stored.query(f"select id from raw.comments where page_id = ? and {ALIVE}", [page_id])
        for comment_id in {stored_id for (stored_id,) in stored} - {str(comment["id"]) for comment in found}:
            try:
                self._client.comment(comment_id)
                self.gone_comments.hidden.add(comment_id)
            except NotFoundError:
                self.gone_comments.deleted.add(comment_id)
        return [PageComment(page_id, comment) for comment in found]

    def _blocks(self, parent_id: str, page_id: str, depth: int) -> Iterator[PlacedBlock]:
        """The blocks under a page or block, in reading order.

        Not followed: blocks that stand for a page or database, which is read by itself; a synced copy, whose blocks
        are those of its original, with the same ids; and blocks that Notion's API does not support.
        """
        found = self._nested(parent_id) if depth else self._client.children(parent_id)
        for position, block in enumerate(found):
            yield PlacedBlock(block, page_id, depth, position)
            if block.get("has_children") and _is_followed(block):
                yield from self._blocks(str(block["id"]), page_id, depth + 1)

    def _nested(self, block_id: str) -> list[Document]:
        """The blocks under a block; none if Notion does not list them, which says nothing about the page."""
        try:
            return self._client.children(block_id)
        except ImpulsumError as error:
            if not lists_no_blocks(error):
                raise
            log.warning("The blocks under block %s are not listed: %s", block_id, error.what)
            self.unlisted.add(block_id)
            return []


def _is_followed(block: Document) -> bool:
    kind = block.get("type")
    is_copy = kind == "synced_block" and (block.get("synced_block") or {}).get("synced_from")
    return kind not in ("child_page", "child_database", "unsupported") and not is_copy
