"""A complete list of the meetings of one span of time; a file of its own because a list moves while it is read.

Pages are counted from the newest meeting, so a meeting that appears or vanishes between two pages moves everything
after it. Each page therefore begins with the last meeting of the one before: when it does not, the span is listed
again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.fireflies.client import MOST_SKIP, PAGE, FirefliesClient
from impulsum_pipelines.sources.fireflies.queries import Document

log = logging.getLogger(__name__)

#: The vendor says "created after" and "created before", but not whether the bounds are included.
EDGE = timedelta(seconds=1)
ATTEMPTS = 3


@dataclass
class MeetingList:
    """The meetings of a span.

    Args:
        documents: light documents by id, newest first.
        damaged: ids of those for which a part of the answer failed.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)


class _MovedError(Exception):
    """The pages do not fit together: the list moved while it was read."""


class MeetingLister:
    """Lists the meetings of spans of time."""

    def __init__(self, client: FirefliesClient, sync: Sync) -> None:
        self.client = client
        self.sync = sync

    def meetings(self, lower: datetime, upper: datetime) -> MeetingList:
        """All meetings that began in [lower, upper), UTC.

        Raises:
            ImpulsumError: of category source outage when the pages never fit together.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._pages(lower, upper)
            except _MovedError:
                log.info("the list of %s..%s moved while it was read", lower, upper)
        raise ImpulsumError(
            Category.SOURCE_OUTAGE,
            f"The pages of the list of meetings did not fit together in {ATTEMPTS} attempts",
            where=f"fireflies transcripts, {lower:%Y-%m-%d}..{upper:%Y-%m-%d}",
            next_step="nothing: the next pull lists these days again.",
        )

    def _pages(self, lower: datetime, upper: datetime) -> MeetingList:
        listing = MeetingList()
        last: str | None = None
        skip = 0
        while True:
            page = self.client.list_page(lower - EDGE, upper + EDGE, skip)
            self.sync.stream("transcripts").pages += 1
            ids = [str(document["id"]) for document in page.documents]
            if last is not None and ids[:1] != [last]:
                raise _MovedError
            for row_id, document in zip(ids, page.documents, strict=True):
                if _within(document, lower, upper):
                    listing.documents[row_id] = document
            listing.damaged |= page.damaged.keys()
            if len(ids) < PAGE:
                return listing
            last = ids[-1]
            skip += PAGE - 1
            if skip > MOST_SKIP:
                return self._halves(lower, upper)

    def _halves(self, lower: datetime, upper: datetime) -> MeetingList:
        """The list of a span that has more meetings than one list can skip through, from its two halves."""
        middle = lower + (upper - lower) / 2
        newer, older = self.meetings(middle, upper), self.meetings(lower, middle)
        return MeetingList(newer.documents | older.documents, newer.damaged | older.damaged)


def _within(document: Document, lower: datetime, upper: datetime) -> bool:
    """Whether a meeting began in the span; one whose date cannot be read counts as within."""
    began = as_datetime(document.get("date"))
    return began is None or lower <= began < upper
