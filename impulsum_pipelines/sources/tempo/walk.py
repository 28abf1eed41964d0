"""Reads worklogs: those that changed, by system time; and for a census all of them, month by month of the work date."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from impulsum_pipelines.sources.base.sync import CensusCount, Scan, Sync
from impulsum_pipelines.sources.tempo import rows
from impulsum_pipelines.sources.tempo import tables as t
from impulsum_pipelines.sources.tempo.client import TempoClient
from impulsum_pipelines.sources.tempo.rows import Document
from impulsum_pipelines.sources.tempo.site import TempoSite

log = logging.getLogger(__name__)

#: Work dates before and after the stored ones are read in two spans that end here.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)
#: Walks over the changed worklogs, at most: a walk is repeated when worklogs were deleted during it.
MOST_WALKS = 3
_DATED = "from raw.worklogs where start_date is not null"


class TempoWalk:
    """Reads the worklogs of one sync, as Arrow tables of the rows that are new or changed."""

    def __init__(self, client: TempoClient, site: TempoSite, sync: Sync) -> None:
        self.client = client
        self.site = site
        self.sync = sync
        self.stream = sync.stream(t.WORKLOGS.name)
        #: Month of the work date, and author, of every worklog read, by its id.
        self._met: dict[str, tuple[str | None, str | None]] = {}

    def read(self) -> Iterator[Any]:
        """Read all worklogs that this sync needs, and record which stored ones are gone."""
        yield from self._changed()
        if self.site.takes_census:
            yield from self._census()
        yield from self.sync.changed_rows(t.WORKLOGS, [], shared=True)  # the last piece
        if self.site.takes_census or self.sync.is_first:
            self._count()
            self._record_absence()
        self.stream.ended = "complete"

    def _changed(self) -> Iterator[Any]:
        """Worklogs that changed since the watermark, or within the window.

        The list has no upper bound, so it is read to its end. Its pages go by offset: a change during the walk moves
        rows down and repeats one; a deletion moves rows up and hides one at the edge of a page. Then the walk is
        repeated.
        """
        for _ in range(MOST_WALKS):
            began = self.client.api.traffic.clock or self.sync.since
            pages = 0
            for page in self.client.worklogs_updated(self.sync.since):
                pages += 1
                yield from self._changed_rows(page)
            if pages < 2 or not self.site.deleted_since(began):
                return
            log.info("Worklogs were deleted during the walk: reading the list again")
        log.warning("Worklogs were deleted during each of %d walks; a census finds what they hid", MOST_WALKS)

    def _census(self) -> Iterator[Any]:
        """Every worklog by work date. One that was moved to another month during the walk is found by its change.

        A deletion during the walk may hide another worklog at the edge of a page. So when stored worklogs were not
        found, spans of several pages are read once more, and only worklogs that neither read finds are gone.
        """
        began = self.client.api.traffic.clock or self.sync.since
        self._met.clear()
        stored = self.sync.stored.ids(t.WORKLOGS.name)
        paged = []
        for span in self._spans():
            pages = 0
            for page in self.client.worklogs_worked(*span):
                pages += 1
                yield from self._changed_rows(page)
            paged += [span] if pages > 1 else []
        for span in paged if stored - self._met.keys() else ():
            for page in self.client.worklogs_worked(*span):
                yield from self._changed_rows(page)
        for page in self.client.worklogs_updated(began):
            yield from self._changed_rows(page)

    def _spans(self) -> Iterator[tuple[date, date]]:
        """The first and last day of each month with stored work, and of the gaps before, between and after them."""
        edges = {FIRST_DAY, LAST_DAY + timedelta(days=1)}
        for (month,) in self.sync.stored.query(f"select distinct date_trunc('month', start_date)::date {_DATED}"):
            edges |= {month, (month + timedelta(days=31)).replace(day=1)}
        for begin, end in pairwise(sorted(edges)):
            yield begin, end - timedelta(days=1)

    def _count(self) -> None:
        alive = self.sync.stored.ids(t.WORKLOGS.name)
        at_source = Counter(month for month, _ in self._met.values())
        missing = Counter(month for worklog_id, (month, _) in self._met.items() if worklog_id not in alive)
        for month in sorted(month for month in at_source if month):
            self.sync.counts.append(
                CensusCount(t.WORKLOGS.name, month, month, at_source[month], missing[month], column="work_month")
            )

    def _record_absence(self) -> None:
        """Record which stored worklogs are gone.

        A person's worklogs become invisible all together: when none of an author's worklogs is left, they are
        unreachable, not deleted. When the audit log showed every deletion, all other missing rows are unreachable, too.
        """
        authors = {author for _, author in self._met.values()}
        unseen = {a for (a,) in self.sync.stored.query(f"select distinct author_id {_DATED}") if a not in authors}
        months = {month for (month,) in self.sync.stored.query(f"select distinct work_month {_DATED}")}
        name, found = t.WORKLOGS.name, set(self._met)
        self.sync.found_all(Scan(name, found, parents=("author_id",), scope=unseen, unreachable=True))
        unreachable = self.site.knows_deletions
        self.sync.found_all(Scan(name, found, parents=("work_month",), scope=months, unreachable=unreachable))

    def _changed_rows(self, page: list[Document]) -> Iterator[Any]:
        """The rows of one page that are new or changed."""
        self.stream.pages += 1
        parsed = [row for row in self.sync.parse(t.WORKLOGS, rows.worklog, page) if self._in_span(row)]
        self._met.update({row["id"]: (row["work_month"], row["author_id"]) for row in parsed})
        yield from self.sync.changed_rows(t.WORKLOGS, parsed, shared=True, more=True)
        self.sync.report("worklogs", self.stream.rows, None)

    def _in_span(self, row: Mapping[str, Any]) -> bool:
        """Whether a worklog last changed on the first day or later, and before the end of the window."""
        at = row["updated_at"]
        if at is None:
            return True
        return at >= self.sync.first_day and (self.sync.until is None or at < self.sync.until)
