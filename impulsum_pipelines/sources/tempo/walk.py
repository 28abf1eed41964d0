"""Reading worklogs: what changed, by system time; and everything, month by month of the work date, as the census."""

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

#: Work dates before and after those that are held are asked for in two spans that end here.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)
#: How often a walk is walked anew because worklogs were deleted under it.
MOST_WALKS = 3
_DATED = "from raw.worklogs where start_date is not null"


class WorklogWalk:
    """The worklogs of one sync. Every reading gives Arrow tables of what is new or changed."""

    def __init__(self, client: TempoClient, site: TempoSite, sync: Sync) -> None:
        self.client = client
        self.site = site
        self.sync = sync
        self.stream = sync.stream(t.WORKLOGS.name)
        #: Month of the work date, and author, of every worklog met.
        self._met: dict[str, tuple[str | None, str | None]] = {}

    def read(self) -> Iterator[Any]:
        """Everything that this sync must read, and what it proves."""
        yield from self._changed()
        if self.site.takes_census:
            yield from self._census()
        yield from self.sync.changed_rows(t.WORKLOGS, [], shared=True)  # what was held back
        if self.site.takes_census or self.sync.is_first:
            self._count()
            self._record_absence()
        self.stream.ended = "complete"

    def _changed(self) -> Iterator[Any]:
        """What changed since the watermark, or within the window: read to its end, as the list has no upper bound.

        Pages go by offset. A change made meanwhile moves rows down and repeats one; a deletion moves them up, and
        hides one at the edge of a page. Then the walk is walked again.
        """
        for _ in range(MOST_WALKS):
            began = self.client.api.traffic.clock or self.sync.since
            pages = 0
            for page in self.client.worklogs_updated(self.sync.since):
                pages += 1
                yield from self._fresh(page)
            if pages < 2 or not self.site.deleted_since(began):
                return
            log.info("Worklogs were deleted during the walk: walking again")
        log.warning("Worklogs were deleted during each of %d walks; a census finds what they hid", MOST_WALKS)

    def _census(self) -> Iterator[Any]:
        """Every worklog by work date. One that was moved to another month meanwhile is found by its change.

        A deletion meanwhile may hide one at the edge of a page. So a span of several pages is walked once more where
        something that is held was not met, and only what neither walk meets is gone.
        """
        began = self.client.api.traffic.clock or self.sync.since
        self._met.clear()
        held = self.sync.held.ids(t.WORKLOGS.name)
        paged = []
        for span in self._spans():
            pages = 0
            for page in self.client.worklogs_worked(*span):
                pages += 1
                yield from self._fresh(page)
            paged += [span] if pages > 1 else []
        for span in paged if held - self._met.keys() else ():
            for page in self.client.worklogs_worked(*span):
                yield from self._fresh(page)
        for page in self.client.worklogs_updated(began):
            yield from self._fresh(page)

    def _spans(self) -> Iterator[tuple[date, date]]:
        """Each month that holds work, and what lies before, between and after."""
        edges = {FIRST_DAY, LAST_DAY + timedelta(days=1)}
        for (month,) in self.sync.held.query(f"select distinct date_trunc('month', start_date)::date {_DATED}"):
            edges |= {month, (month + timedelta(days=31)).replace(day=1)}
        for begin, end in pairwise(sorted(edges)):
            yield begin, end - timedelta(days=1)

    def _count(self) -> None:
        alive = self.sync.held.ids(t.WORKLOGS.name)
        at_source = Counter(month for month, _ in self._met.values())
        missing = Counter(month for worklog_id, (month, _) in self._met.items() if worklog_id not in alive)
        for month in sorted(month for month in at_source if month):
            self.sync.counts.append(
                CensusCount(t.WORKLOGS.name, month, month, at_source[month], missing[month], column="work_month")
            )

    def _record_absence(self) -> None:
        """What was not met is gone. Sight is lost person by person: of whom nothing is left, nothing was deleted.

        Where the audit log told of every deletion, all that is missing beside those is out of sight.
        """
        authors = {author for _, author in self._met.values()}
        unseen = {a for (a,) in self.sync.held.query(f"select distinct author_id {_DATED}") if a not in authors}
        months = {month for (month,) in self.sync.held.query(f"select distinct work_month {_DATED}")}
        name, found = t.WORKLOGS.name, set(self._met)
        self.sync.found_all(Scan(name, found, parents=("author_id",), scope=unseen, unreachable=True))
        out_of_sight = self.site.knows_deletions
        self.sync.found_all(Scan(name, found, parents=("work_month",), scope=months, unreachable=out_of_sight))

    def _fresh(self, page: list[Document]) -> Iterator[Any]:
        self.stream.pages += 1
        shaped = [row for row in self.sync.parse(t.WORKLOGS, rows.worklog, page) if self._wanted(row)]
        self._met.update({row["id"]: (row["work_month"], row["author_id"]) for row in shaped})
        yield from self.sync.changed_rows(t.WORKLOGS, shaped, shared=True, more=True)
        self.sync.report("worklogs", self.stream.rows, None)

    def _wanted(self, row: Mapping[str, Any]) -> bool:
        """Within the span of change time that is read: not before the first day ever, nor behind the window."""
        at = row["updated_at"]
        if at is None:
            return True
        return at >= self.sync.first_day and (self.sync.until is None or at < self.sync.until)
