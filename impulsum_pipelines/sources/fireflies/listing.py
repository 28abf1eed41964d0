"""The list of meetings of one closed span of time, whole: however many pages it has and whatever moves meanwhile.

Pages are counted from the newest meeting, so a meeting that appears or vanishes while we page moves everything after
it. Each page therefore begins with the last meeting of the one before: when it does not, the span is listed again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.fireflies.client import MOST_SKIP, PAGE, FirefliesClient
from impulsum_pipelines.sources.fireflies.documents import Document

log = logging.getLogger(__name__)

#: The vendor says "created after" and "created before", not whether that includes the instant itself.
EDGE = timedelta(seconds=1)
ATTEMPTS = 3


@dataclass
class Listing:
    """The meetings of a span.

    Args:
        documents: light documents by id, newest first.
        damaged: ids of those of which the list could not say everything.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)


class _MovedError(Exception):
    """The pages do not fit together."""


class Lister:
    """Lists spans."""

    def __init__(self, client: FirefliesClient, sync: Sync) -> None:
        self.client = client
        self.sync = sync

    def span(self, lower: datetime, upper: datetime) -> Listing:
        """The meetings that began in [lower, upper).

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
            f"The pages of the list of meetings did not fit together, {ATTEMPTS} times",
            where=f"fireflies transcripts, {lower:%Y-%m-%d}..{upper:%Y-%m-%d}",
            next_step="nothing: the next pull lists them again.",
        )

    def _pages(self, lower: datetime, upper: datetime) -> Listing:
        listing = Listing()
        last: str | None = None
        skip = 0
        while True:
            page = self.client.page(lower - EDGE, upper + EDGE, skip)
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

    def _halves(self, lower: datetime, upper: datetime) -> Listing:
        """A span that has more meetings than a list may be skipped through."""
        middle = lower + (upper - lower) / 2
        newer, older = self.span(middle, upper), self.span(lower, middle)
        return Listing(newer.documents | older.documents, newer.damaged | older.damaged)


def _within(document: Document, lower: datetime, upper: datetime) -> bool:
    """Whether it began in the span; one whose date could not be read is not left out."""
    began = as_datetime(document.get("date"))
    return began is None or lower <= began < upper
