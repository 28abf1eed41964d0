"""The dlt source of Notion: one resource per table, its client, and the first read of a sync.

Only this module of the source imports dlt, so listing the tables does not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import dlt

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.hints import hints
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.base.table import Table
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.notion import rows
from impulsum_pipelines.sources.notion import tables as t
from impulsum_pipelines.sources.notion.client import Document, NotionClient
from impulsum_pipelines.sources.notion.site import NotionSite
from impulsum_pipelines.sources.notion.walk import NotionStep, NotionWalk

log = logging.getLogger(__name__)


def open_client(settings: Settings) -> NotionClient:
    """A client with the configured integration's token."""
    return NotionClient(settings)


def begin(client: NotionClient, sync: Sync, settings: Settings) -> NotionSite:
    """Make the first read of a sync: check the token, and ask search what changed, as a hint.

    In a first sync and in a census it reads all that search finds, else what was edited since the watermark.

    Raises:
        ImpulsumError: of category permission when nothing was ever shared with the integration.
    """
    sync.site = client.api.site
    found: list[Document] = []
    for documents in client.search():
        found += documents
        oldest = as_datetime(documents[-1].get("last_edited_time")) if documents else None
        if not (sync.is_first or sync.census) and oldest and oldest < sync.since:
            break
    if not found and sync.stored.is_empty(t.PAGES.name) and sync.stored.is_empty(t.DATA_SOURCES.name):
        raise ImpulsumError(
            Category.PERMISSION,
            "Nothing is shared with the integration",
            where=f"notion search at {sync.site}",
            next_step="open a page or database in Notion, choose Connections in its menu, add the integration, and run "
            "again. Search may take a few minutes to find what was just shared.",
        )
    return NotionSite(client, sync, found)


@dlt.source(name="notion", max_table_nesting=0)
def build_source(client: NotionClient, sync: Sync, site: NotionSite) -> Any:
    """The dlt source of one sync: one resource per table; one walk feeds all of them except users."""
    walk = NotionWalk(client, sync, site)

    @dlt.resource(name="steps", selected=False)
    def steps() -> Iterator[NotionStep]:
        yield from walk.steps()

    def of_steps(table: Table) -> Any:
        return dlt.transformer(data_from=steps, **hints(table, sync.stored))

    @of_steps(t.PAGES)
    def pages(step: NotionStep) -> Iterator[Any]:
        yield from sync.changed_rows(
            t.PAGES, sync.parse(t.PAGES, rows.page, step.pages), shared=True, more=not step.is_last
        )

    @of_steps(t.BLOCKS)
    def blocks(step: NotionStep) -> Iterator[Any]:
        parsed = sync.parse(t.BLOCKS, lambda placed: rows.block(*placed), step.blocks)
        yield from sync.changed_rows(t.BLOCKS, parsed, shared=True, more=not step.is_last)

    @of_steps(t.COMMENTS)
    def comments(step: NotionStep) -> Iterator[Any]:
        parsed = sync.parse(t.COMMENTS, lambda found: rows.comment(found.document, found.page_id), step.comments)
        yield from sync.changed_rows(t.COMMENTS, parsed, shared=True, more=not step.is_last)

    @of_steps(t.DATA_SOURCES)
    def data_sources(step: NotionStep) -> Iterator[Any]:
        parsed = sync.parse(t.DATA_SOURCES, rows.data_source, step.data_sources)
        yield from sync.changed_rows(t.DATA_SOURCES, parsed, shared=True, more=not step.is_last)

    @dlt.resource(**hints(t.USERS, sync.stored))
    def users() -> Iterator[Any]:
        if sync.due(t.USERS):
            yield from _users(client, sync)

    return steps, pages, blocks, comments, data_sources, users


def _users(client: NotionClient, sync: Sync) -> Iterator[Any]:
    """The members; if the integration may not see them, the other tables are still loaded."""
    try:
        found = client.users()
    except ImpulsumError as error:
        if error.category is not Category.PERMISSION:
            raise
        sync.stream(t.USERS.name).ended = f"not permitted: {error.what}"
        sync.refreshed[t.USERS.name] = False  # the next pull asks again
        log.warning("Notion's users are not read: %s", error.what)
        return
    yield from sync.replace_table(t.USERS, sync.parse(t.USERS, rows.user, found))
