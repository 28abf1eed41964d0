"""The dlt source of Fireflies: a resource per table, fed by one walk over the meetings.

The only module of the source that imports dlt; what merely asks which tables there are does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dlt

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.hints import hints
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.base.table import Table
from impulsum_pipelines.sources.fireflies import rows
from impulsum_pipelines.sources.fireflies import tables as t
from impulsum_pipelines.sources.fireflies.client import FirefliesClient
from impulsum_pipelines.sources.fireflies.documents import Document
from impulsum_pipelines.sources.fireflies.walk import MeetingWalk, Page

_CHILDREN = (t.SENTENCES, t.ATTENDEES, t.ACTION_ITEMS)


def open_client(settings: Settings) -> FirefliesClient:
    """A client for the configured account."""
    return FirefliesClient(settings)


def begin(client: FirefliesClient, sync: Sync, settings: Settings) -> Document:
    """The first read of a sync: proves that the key works, says whose it is, and reads the source's clock."""
    sync.site = client.api.site
    return client.account()


@dlt.source(name="fireflies", max_table_nesting=0)
def build_source(client: FirefliesClient, sync: Sync, account: Document) -> Any:
    """The dlt source of one sync.

    Args:
        client: asks Fireflies.
        sync: what to read, and what is held.
        account: the owner of the key.
    """
    walk = MeetingWalk(client, sync, account)

    @dlt.resource(name="pages", selected=False)
    def pages() -> Iterator[Page]:
        yield from walk.pages()
        _mark_gone(sync, walk)
        yield Page(is_last=True)

    def of_pages(table: Table) -> Any:
        return dlt.transformer(data_from=pages, **hints(table, sync.held))

    @of_pages(t.TRANSCRIPTS)
    def transcripts(page: Page) -> Iterator[Any]:
        light = sync.parse(t.TRANSCRIPTS, lambda d: rows.transcript(d, is_whole=False, listed=d), page.light)
        whole = sync.parse(
            t.TRANSCRIPTS, lambda pair: rows.transcript(pair[0], is_whole=True, listed=pair[1]), page.whole
        )
        yield from sync.changed_rows(t.TRANSCRIPTS, [*light, *whole], more=not page.is_last)

    def children(table: Table, shape: Callable[[Document], Iterator[rows.Row]], page: Page) -> Iterator[Any]:
        """The rows of meetings that were read whole; what else is held of these is gone."""
        shaped = [row for document, _ in page.whole for row in shape(document)]
        yield from sync.changed_rows(table, shaped, more=not page.is_last)
        if page.whole:
            read = {str(document["id"]) for document, _ in page.whole}
            ids = {row["id"] for row in shaped}
            sync.found_all(Scan(table.name, ids, parents=("transcript_id",), scope=read, guarded=False))

    @of_pages(t.SENTENCES)
    def sentences(page: Page) -> Iterator[Any]:
        def shape(document: Document) -> Iterator[Any]:
            said = document.get("sentences") or []
            yield from sync.parse(t.SENTENCES, lambda s: rows.sentence(str(document["id"]), s), said)

        yield from children(t.SENTENCES, shape, page)

    @of_pages(t.ATTENDEES)
    def attendees(page: Page) -> Iterator[Any]:
        yield from children(t.ATTENDEES, rows.attendees, page)

    @of_pages(t.ACTION_ITEMS)
    def action_items(page: Page) -> Iterator[Any]:
        yield from children(t.ACTION_ITEMS, rows.action_items, page)

    return pages, transcripts, sentences, attendees, action_items


def _mark_gone(sync: Sync, walk: MeetingWalk) -> None:
    """Meetings that are gone, with all that hangs on them; out of sight, when it is too many to be believed."""
    if not walk.gone:
        return
    doubtful = walk.loss_is_doubtful
    sync.found_all(
        Scan(
            t.TRANSCRIPTS.name,
            walk.gone,
            parents=("site",),
            scope=(sync.site,),
            are_gone=True,
            unreachable=doubtful,
        )
    )
    for table in _CHILDREN:
        sync.found_all(
            Scan(
                table.name,
                (),
                parents=("transcript_id",),
                scope=walk.gone,
                unreachable=doubtful,
                guarded=False,
            )
        )
