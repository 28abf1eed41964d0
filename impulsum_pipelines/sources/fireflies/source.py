"""The dlt source of Fireflies: one resource per table, all fed by one walk over the meetings.

The only module of the source that imports dlt: listing the tables must not cost that import.
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
from impulsum_pipelines.sources.fireflies.queries import Document
from impulsum_pipelines.sources.fireflies.site import FirefliesSite
from impulsum_pipelines.sources.fireflies.walk import FirefliesWalk, MeetingBatch

_CHILDREN = (t.SENTENCES, t.ATTENDEES, t.ACTION_ITEMS)


def open_client(settings: Settings) -> FirefliesClient:
    """A client for the configured account."""
    return FirefliesClient(settings)


def begin(client: FirefliesClient, sync: Sync, settings: Settings) -> FirefliesSite:
    """Start a sync: one request that proves that the key works, says whose it is, and reads the source's clock."""
    sync.site = client.api.site
    return FirefliesSite(client)


@dlt.source(name="fireflies", max_table_nesting=0)
def build_source(client: FirefliesClient, sync: Sync, site: FirefliesSite) -> Any:
    """The dlt source of one sync.

    Args:
        client: reads Fireflies.
        sync: what to read, and what is stored.
        site: whose meetings the key sees.
    """
    walk = FirefliesWalk(client, sync, site)

    @dlt.resource(name="meetings", selected=False)
    def meetings() -> Iterator[MeetingBatch]:
        yield from walk.batches()
        _mark_gone(sync, walk)
        yield MeetingBatch(is_last=True)

    def of_meetings(table: Table) -> Any:
        return dlt.transformer(data_from=meetings, **hints(table, sync.stored))

    @of_meetings(t.TRANSCRIPTS)
    def transcripts(batch: MeetingBatch) -> Iterator[Any]:
        light = sync.parse(t.TRANSCRIPTS, lambda d: rows.transcript(d, is_whole=False, listed=d), batch.light)
        whole = sync.parse(
            t.TRANSCRIPTS, lambda pair: rows.transcript(pair[0], is_whole=True, listed=pair[1]), batch.whole
        )
        yield from sync.changed_rows(t.TRANSCRIPTS, [*light, *whole], more=not batch.is_last)

    def children(table: Table, to_rows: Callable[[Document], Iterator[rows.Row]], batch: MeetingBatch) -> Iterator[Any]:
        """The rows of meetings that were read whole; other stored rows of these meetings are gone."""
        found = [row for document, _ in batch.whole for row in to_rows(document)]
        yield from sync.changed_rows(table, found, more=not batch.is_last)
        if batch.whole:
            read = {str(document["id"]) for document, _ in batch.whole}
            ids = {row["id"] for row in found}
            sync.found_all(Scan(table.name, ids, parents=("transcript_id",), scope=read, guarded=False))

    @of_meetings(t.SENTENCES)
    def sentences(batch: MeetingBatch) -> Iterator[Any]:
        def to_rows(document: Document) -> Iterator[Any]:
            listed = document.get("sentences") or []
            yield from sync.parse(t.SENTENCES, lambda s: rows.sentence(str(document["id"]), s), listed)

        yield from children(t.SENTENCES, to_rows, batch)

    @of_meetings(t.ATTENDEES)
    def attendees(batch: MeetingBatch) -> Iterator[Any]:
        yield from children(t.ATTENDEES, rows.attendees, batch)

    @of_meetings(t.ACTION_ITEMS)
    def action_items(batch: MeetingBatch) -> Iterator[Any]:
        yield from children(t.ACTION_ITEMS, rows.action_items, batch)

    return meetings, transcripts, sentences, attendees, action_items


def _mark_gone(sync: Sync, walk: FirefliesWalk) -> None:
    """Record the meetings that are gone, with their rows in other tables, as deleted.

    As unreachable where so many are gone that lost access is the likelier reason.
    """
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
