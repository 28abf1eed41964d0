"""The guard of every list that is read page by page: it must come to an end."""

from __future__ import annotations

from impulsum_pipelines.errors import Category, ImpulsumError

#: Empty pages in a row that still lead on, before the list counts as broken. A single empty page is no end.
MOST_EMPTY_PAGES = 20


class Paging:
    """One walk over a list.

    Args:
        source: the source's title, used in messages.
        endpoint: the endpoint that gives the list, used in messages.

    Attributes:
        pages: how many pages were read.
    """

    def __init__(self, source: str, endpoint: str) -> None:
        self.source = source
        self.endpoint = endpoint
        self.pages = 0
        self._cursors: set[str] = set()
        self._empty = 0

    def next(self, cursor: str | None, *, found: int = 1) -> str | None:
        """Count a page that was read, and return the cursor of the next one; None when this was the last.

        Args:
            cursor: what the page gives for the next one: a token, an offset or a link; empty or None on the last.
            found: how many things the page has.

        Raises:
            ImpulsumError: of category source outage when the cursor led on before, or when more than
                :data:`MOST_EMPTY_PAGES` pages in a row are empty: either walk would never end.
        """
        self.pages += 1
        self._empty = 0 if found else self._empty + 1
        if not cursor:
            return None
        if cursor in self._cursors:
            raise self.broken("a page repeats")
        if self._empty > MOST_EMPTY_PAGES:
            raise self.broken(f"the last {self._empty} pages are empty")
        self._cursors.add(cursor)
        return cursor

    def broken(self, why: str) -> ImpulsumError:
        """The error that the list cannot be read to its end."""
        return ImpulsumError(
            Category.SOURCE_OUTAGE,
            f"{self.source} sent a list that cannot be read to its end: {why}",
            where=f"{self.source} {self.endpoint}, page {self.pages}",
            next_step="nothing: the next pull reads this list again.",
        )
