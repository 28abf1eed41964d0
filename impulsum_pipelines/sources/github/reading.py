"""One repository in one sync: what was remembered of it, which times are asked for, and how its lists are walked.

Three ways to read. *Live*: every list that GitHub can sort by change is walked newest-first until it is older than
the repository's own last read minus the overlap; a change during the walk moves a thing to the top, so nothing that
was not read slips past, and the next pull reads it again. *Window*: the same, kept to the window. *Full* (a new
repository, and a census): in the order of creation, which no change can disturb, so it also proves what is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from impulsum_pipelines.sources.base.sync import CensusCount, Scan, Sync
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.github.client import GitHubClient
from impulsum_pipelines.sources.github.rows import Document

BY_CREATION = {"sort": "created", "direction": "asc"}
BY_CHANGE = {"sort": "updated", "direction": "desc"}

Pages = Iterator[list[Document]]


@dataclass
class Piece:
    """Some things of one table, as the arguments of what makes rows of them; the last piece is empty and says so."""

    table: str = ""
    items: list[tuple[Any, ...]] = field(default_factory=list)
    is_last: bool = False


class Reading:
    """One repository in one sync.

    Args:
        client: GitHub.
        sync: the sync.
        document: the repository as it is now.
        before: what was remembered of it; None when it was never read whole.
        resume: how far an earlier first read came that was cut short; None where there was none.

    Attributes:
        after: what to remember when everything was read.
    """

    def __init__(
        self,
        client: GitHubClient,
        sync: Sync,
        document: Document,
        before: dict[str, Any] | None,
        resume: dict[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.sync = sync
        self.document = document
        self.id = str(document["id"])
        self.name = str(document["full_name"])
        self.is_new = before is None
        self.before = before or {}
        self.resume = resume or {}
        self.is_live = sync.window is None
        self.full = sync.census or (self.is_live and self.is_new)
        self.after: dict[str, Any] = {
            "until": sync.started_at.isoformat() if sync.started_at else None,
            "etags": dict(self.before.get("etags", {})),
        }
        self.unchanged: set[str] = set()

    # ------------------------------------------------------------------ times

    @property
    def low(self) -> datetime:
        """Nothing that last changed before this is read."""
        first = self.sync.first_day
        if self.full:
            return first
        if self.sync.window:
            return max(self.sync.window.start, first)
        until = as_datetime(self.before.get("until")) or first
        return max(until - self.sync.overlap, first).replace(second=0, microsecond=0)

    def wanted(self, document: Document, *names: str, low: datetime | None = None) -> bool:
        """Whether any of these times of a document lies in the span that is asked for; one without times does."""
        times = [at for name in names if (at := as_datetime(document.get(name)))]
        start, end = low or self.low, None if self.full else self.sync.until
        return not times or any(at >= start and (end is None or at < end) for at in times)

    # ------------------------------------------------------------------ lists

    def path(self, below: str = "") -> str:
        """The path of something of the repository."""
        return f"/repos/{self.name}{below}"

    def endpoint(self, below: str = "") -> str:
        """Its template."""
        return f"/repos/{{owner}}/{{repo}}{below}"

    def walk(
        self,
        stream: str,
        below: str,
        params: Document | None = None,
        *,
        by: str = "updated_at",
        low: datetime | None = None,
        key: str | None = None,
    ) -> Pages:
        """The pages of a list that is newest-first by ``by``, until it is older than is asked for.

        Live with the ETag of the last walk: where the first page is as it was, nothing changed at all. The ETag
        kept is that of the page as it was before the walk, and a walk of several pages ends with the first page
        again: what came in between is on it.
        """
        record, start = self.sync.stream(stream), low or self.low
        etag = self.before.get("etags", {}).get(stream) if self.is_live and not self.full else None
        listing = self.client.listing(self.path(below), self.endpoint(below), params, etag=etag, key=key)
        record.pages += 1
        if listing.unchanged:
            self.unchanged.add(stream)
            record.ended = "unchanged"
            return
        self.after["etags"][stream] = listing.etag
        pages = 0
        for page in listing.pages():
            pages += 1
            yield page
            oldest = as_datetime(page[-1].get(by)) if page else None
            if oldest is not None and oldest < start:
                break
        if pages > 1:
            record.pages += pages
            yield next(self.client.listing(self.path(below), self.endpoint(below), params, key=key).pages())
        record.ended = "complete"

    def whole(self, stream: str, below: str, params: Document | None = None) -> Pages:
        """Every page of a list, in an order that changes do not disturb."""
        record = self.sync.stream(stream)
        for page in self.client.listing(self.path(below), self.endpoint(below), params).pages():
            record.pages += 1
            yield page
        record.ended = "complete"

    def twice_where_missing(self, table: str, pages: Callable[[], Iterable[list[Document]]]) -> Pages:
        """Every page of a census of a table; all of them once more where something that is held is on none.

        Pages go by offset: a deletion during the walk moves the rest up, and hides one at the edge of a page. Only
        what neither walk meets is gone.
        """
        lost = self.held_ids(table)
        for page in pages():
            lost.difference_update(str(document.get("id")) for document in page)
            yield page
        if lost and table not in self.unchanged:
            yield from pages()

    def census(self, table: str, existing: Iterable[str], counted: Iterable[str] | None = None) -> None:
        """A table of the repository was listed whole: what is held and not in it is gone.

        Args:
            existing: every id that there is.
            counted: those that must be held, where some are older than anything that is read.
        """
        existing = set(existing)
        counted = existing if counted is None else set(counted)
        self.sync.found_all(Scan(table, existing, parents=("repository_id",), scope=[self.id]))
        if self.full:  # else it is one table that was read whole in passing, and no census of the repository
            missing = len(counted - self.held_ids(table))
            self.sync.counts.append(
                CensusCount(table, self.id, self.name, len(counted), missing, column="repository_id")
            )  # fmt: skip

    def held_ids(self, table: str) -> set[str]:
        """Ids of the repository that are held alive."""
        found = self.sync.held.query(f"select id from raw.{table} where repository_id = ? and {ALIVE}", [self.id])
        return {row_id for (row_id,) in found}

    # ---------------------------------------------------------- conversations

    def listed(
        self,
        table: str,
        below: str,
        params: Document | None = None,
        *,
        keep: Callable[[Document], bool] = lambda document: True,
        full: bool | None = None,
    ) -> Iterator[Piece]:
        """The things of a list that knows when each last changed: issues, and both kinds of comments."""
        full = self.full if full is None else full
        if not full:
            for page in self.walk(table, below, {**BY_CHANGE, **(params or {})}):
                kept = [d for d in page if keep(d) and self.wanted(d, "updated_at")]
                yield Piece(table, [(self.id, document) for document in kept])
            return
        existing: set[str] = set()
        counted: set[str] = set()
        created = {**BY_CREATION, **(params or {})}
        for page in self.twice_where_missing(table, lambda: self.whole(table, below, created)):
            mine = [document for document in page if keep(document)]
            kept = [d for d in mine if self.wanted(d, "updated_at", low=self.sync.first_day)]
            existing.update(str(document.get("id")) for document in mine)
            counted.update(str(document.get("id")) for document in kept)
            yield Piece(table, [(self.id, document) for document in kept])
        self.census(table, existing, counted)
