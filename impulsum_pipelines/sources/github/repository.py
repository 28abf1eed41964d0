"""One repository in one sync; a file of its own because every list of a repository is read by the same rules.

There are three ways to read a list. *Live*: newest change first, until the list is older than the repository's own last
read minus the overlap; a change during the walk moves a thing to the top, so nothing unread is skipped, and the next
pull reads that thing again. *Window*: the same, within the window. *Full* (a new repository, and a census): in the
order of creation, which no change can disturb, so it also proves what is gone.
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
class Batch:
    """Some things of one table.

    Args:
        table: the raw table.
        items: one tuple per thing, the arguments of the table's function in ``rows.TO_ROW``.
        is_last: no batch follows; it is empty.
    """

    table: str = ""
    items: list[tuple[Any, ...]] = field(default_factory=list)
    is_last: bool = False


class RepositorySync:
    """One repository in one sync.

    Args:
        client: reads GitHub.
        sync: the sync.
        document: the repository as it is now.
        before: what an earlier sync remembered of it; None when it was never read completely.
        resume: how far an earlier first read came that was interrupted; None where there was none.

    Attributes:
        after: what to remember once everything was read.
        unchanged: names of the streams whose first page has not changed since the last read.
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
        self.is_full = sync.census or (self.is_live and self.is_new)
        self.after: dict[str, Any] = {
            "until": sync.started_at.isoformat() if sync.started_at else None,
            "etags": dict(self.before.get("etags", {})),
        }
        self.unchanged: set[str] = set()

    # ------------------------------------------------------------------ times

    @property
    def start(self) -> datetime:
        """Things that last changed before this are not read."""
        first = self.sync.first_day
        if self.is_full:
            return first
        if self.sync.window:
            return max(self.sync.window.start, first)
        until = as_datetime(self.before.get("until")) or first
        return max(until - self.sync.overlap, first).replace(second=0, microsecond=0)

    def is_in_span(self, document: Document, *names: str, start: datetime | None = None) -> bool:
        """Whether any of these times of a document lies in the span to read; a document without these times does.

        Args:
            document: the document.
            names: its fields that have the times.
            start: where the span begins, instead of :attr:`start`.
        """
        times = [at for name in names if (at := as_datetime(document.get(name)))]
        first, end = start or self.start, None if self.is_full else self.sync.until
        return not times or any(at >= first and (end is None or at < end) for at in times)

    # ------------------------------------------------------------------ lists

    def path(self, below: str = "") -> str:
        """The API path of something in the repository."""
        return f"/repos/{self.name}{below}"

    def endpoint(self, below: str = "") -> str:
        """The template of such a path, for messages."""
        return f"/repos/{{owner}}/{{repo}}{below}"

    def newest_pages(
        self,
        stream: str,
        below: str,
        params: Document | None = None,
        *,
        by: str = "updated_at",
        start: datetime | None = None,
        key: str | None = None,
    ) -> Pages:
        """The pages of a list that is sorted newest first by ``by``, until the list is older than ``start``.

        A live sync sends the ETag of the last walk: when the first page has not changed, nothing has. The ETag to
        remember is that of the first page before the walk, and a walk of several pages reads the first page again at
        its end: it has what changed during the walk.
        """
        record, first = self.sync.stream(stream), start or self.start
        etag = self.before.get("etags", {}).get(stream) if self.is_live and not self.is_full else None
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
            if oldest is not None and oldest < first:
                break
        if pages > 1:
            record.pages += pages
            yield next(self.client.listing(self.path(below), self.endpoint(below), params, key=key).pages())
        record.ended = "complete"

    def all_pages(self, stream: str, below: str, params: Document | None = None) -> Pages:
        """Every page of a list; the parameters must give an order that changes do not disturb."""
        record = self.sync.stream(stream)
        for page in self.client.listing(self.path(below), self.endpoint(below), params).pages():
            record.pages += 1
            yield page
        record.ended = "complete"

    def census_pages(self, table: str, pages: Callable[[], Iterable[list[Document]]]) -> Pages:
        """Every page of a complete list of a table; all of them a second time when a stored row is on none.

        Pages are counted by offset: a deletion during the walk moves the rest up and hides a row at the edge of a page.
        Only a row that neither walk finds is gone.
        """
        lost = self.stored_ids(table)
        for page in pages():
            lost.difference_update(str(document.get("id")) for document in page)
            yield page
        if lost and table not in self.unchanged:
            yield from pages()

    def record_census(self, table: str, existing: Iterable[str], counted: Iterable[str] | None = None) -> None:
        """Record that a table of the repository was listed completely: stored rows that are not in the list are gone.

        Args:
            table: the raw table.
            existing: every id that exists.
            counted: those of them that must be stored; all when left out. Others are from before the first day.
        """
        existing = set(existing)
        counted = existing if counted is None else set(counted)
        self.sync.found_all(Scan(table, existing, parents=("repository_id",), scope=[self.id]))
        if self.is_full:  # otherwise one table happened to be read completely, which is no census of the repository
            missing = len(counted - self.stored_ids(table))
            self.sync.counts.append(
                CensusCount(table, self.id, self.name, len(counted), missing, column="repository_id")
            )  # fmt: skip

    def stored_ids(self, table: str) -> set[str]:
        """Ids of the repository's rows that are stored and alive."""
        found = self.sync.stored.query(f"select id from raw.{table} where repository_id = ? and {ALIVE}", [self.id])
        return {row_id for (row_id,) in found}

    # ---------------------------------------------------------- conversations

    def changed_or_all(
        self,
        table: str,
        below: str,
        params: Document | None = None,
        *,
        keep: Callable[[Document], bool] = lambda document: True,
        full: bool | None = None,
    ) -> Iterator[Batch]:
        """The things of a list that has the time of each change: issues, and both kinds of comments.

        Args:
            table: the raw table.
            below: the list's path within the repository.
            params: of its query string.
            keep: which documents of the list belong to the table.
            full: read all of them, which also proves what is gone; as the repository is read when left out.
        """
        is_full = self.is_full if full is None else full
        if not is_full:
            for page in self.newest_pages(table, below, {**BY_CHANGE, **(params or {})}):
                kept = [d for d in page if keep(d) and self.is_in_span(d, "updated_at")]
                yield Batch(table, [(self.id, document) for document in kept])
            return
        existing: set[str] = set()
        counted: set[str] = set()
        created = {**BY_CREATION, **(params or {})}
        for page in self.census_pages(table, lambda: self.all_pages(table, below, created)):
            mine = [document for document in page if keep(document)]
            kept = [d for d in mine if self.is_in_span(d, "updated_at", start=self.sync.first_day)]
            existing.update(str(document.get("id")) for document in mine)
            counted.update(str(document.get("id")) for document in kept)
            yield Batch(table, [(self.id, document) for document in kept])
        self.record_census(table, existing, counted)
