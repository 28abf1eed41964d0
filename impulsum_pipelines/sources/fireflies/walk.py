"""Which meetings to read, and reading them.

Fireflies has no cursor of changes: a summary is ready long after the meeting's date, an upload has an old date, an edit
is not reported, and a meeting that was deleted or is no longer shared is just missing from the list. So:

- A live pull lists the meetings of the last weeks (:data:`OVERLAP` behind the watermark) and compares.
- A sweep lists everything, in spans of time from the newest to the oldest: the first pull, and every census.
- Only meetings that are new or look different are read whole, and only when they are finished.
- A meeting that is no longer listed is asked for by id before it counts as gone.

The day's quota may end at any point. Then what was read is loaded, a meeting that was only listed gets a row that says
so, and ``sync.memory`` records how far the sweep came: the next pull continues there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.sources.base.sync import CensusCount, Sync
from impulsum_pipelines.sources.base.table import ALIVE, NOT_CUT_OFF
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.fireflies.client import WHOLE_BATCH, FirefliesClient
from impulsum_pipelines.sources.fireflies.listing import MeetingList, MeetingLister
from impulsum_pipelines.sources.fireflies.queries import (
    LIGHT_FIELDS,
    Document,
    fingerprint,
    is_finished,
    keep_fields,
)
from impulsum_pipelines.sources.fireflies.site import FirefliesSite

#: How far behind the watermark a live pull lists again: longer than any summary takes.
OVERLAP = timedelta(days=21)
#: How far into the future a list reaches: an upload may have any date.
AHEAD = timedelta(days=3_650)
#: The first span of a sweep. Spans grow while they have few meetings, and shrink where they have many.
FIRST_SPAN = timedelta(days=30)
FEW, MANY = 25, 500
#: How many times longer the next span is after one with few meetings: years without a meeting are crossed quickly.
GROWTH = 4
#: How often a meeting that stays unfinished, or cannot be read whole, is asked for by id before only a census does.
MOST_TRIES = 10
#: Losing more than this share of the meetings listed, and at least so many, is taken for lost access.
GUARD_SHARE, GUARD_ROWS = 0.5, 10


@dataclass
class MeetingBatch:
    """Some meetings.

    Args:
        light: meetings that have no more than their own row yet.
        whole: finished meetings, read whole, each with its document in the list (None where it was not listed).
        is_last: no batch follows, so rows that wait for more are given on.
    """

    light: list[Document] = field(default_factory=list)
    whole: list[tuple[Document, Document | None]] = field(default_factory=list)
    is_last: bool = False


@dataclass(frozen=True)
class _Stored:
    """What is stored of one meeting."""

    fingerprint: str | None
    is_whole: bool


class FirefliesWalk:
    """Reads the meetings of one sync.

    Attributes:
        gone: ids of stored meetings that Fireflies no longer has, or no longer shows.
    """

    def __init__(self, client: FirefliesClient, sync: Sync, site: FirefliesSite) -> None:
        self.client = client
        self.sync = sync
        self.site = site
        self.lister = MeetingLister(client, sync)
        self.gone: set[str] = set()
        #: How many stored meetings lie in the spans that were listed.
        self._stored_in_spans = 0
        #: Meetings still to be read whole, with their document in the list; None where they were not listed.
        self._waiting: dict[str, Document | None] = {}
        self._met: set[str] = set()
        self._read = 0
        self._tries: dict[str, int] = sync.memory.setdefault("tries", {})
        self._unread: list[str] = sync.memory.pop("unread", [])

    @property
    def loss_is_doubtful(self) -> bool:
        """Whether so many meetings are gone that lost access is the likelier reason."""
        return len(self.gone) >= GUARD_ROWS and len(self.gone) > GUARD_SHARE * self._stored_in_spans

    def batches(self) -> Iterator[MeetingBatch]:
        """Every meeting that must be written; within one list the newest first.

        Raises:
            ImpulsumError: what no later try can pass. What can pass ends the walk early and is raised by the sync.
        """
        ended = "complete"
        try:
            yield from self._all()
        except ImpulsumError as error:
            if not error.retryable:
                raise
            error.safe = "What was read is loaded, and the next pull continues there."
            self.sync.fail(error)
            ended = f"early: {error.what}"
            yield self._postpone()
        for name in ("transcripts", "sentences", "attendees", "action_items"):
            self.sync.stream(name).ended = ended

    def _all(self) -> Iterator[MeetingBatch]:
        window = self.sync.window
        if window:
            yield from self._read_changed(self._list(window.start, window.end))
            return
        now = self.sync.started_at or datetime.now(UTC)
        sweep: Document | None = self.sync.memory.get("sweep")
        if sweep is None and (self.sync.census or self.sync.is_first):
            # It begins with the newest meetings, so it is a live pull as well.
            sweep = {"to": (now + AHEAD).isoformat(), "from": now.isoformat(), "listed": 0, "missing": 0}
            self.sync.memory["sweep"] = sweep
        else:
            behind = self.sync.watermark or (datetime.fromisoformat(sweep["from"]) if sweep else now)
            listing = self._list(max(behind - OVERLAP, self.sync.first_day), now + AHEAD)
            if sweep:  # meetings that began after the sweep did are above the point where it continues
                since = datetime.fromisoformat(sweep["from"])
                sweep["listed"] += sum(
                    (as_datetime(d.get("date")) or since) > since for d in listing.documents.values()
                )
                sweep["from"] = now.isoformat()
            yield from self._read_changed(listing)
            yield from self._read_left_over()
        if sweep:
            yield from self._sweep(sweep, now)
            yield from self._read_left_over()

    # ---------------------------------------------------------------- spans

    def _sweep(self, sweep: Document, now: datetime) -> Iterator[MeetingBatch]:
        """List everything from where the sweep stands back to the first day."""
        span = FIRST_SPAN
        upper = datetime.fromisoformat(sweep["to"])
        while upper > self.sync.first_day:
            lower = max(min(upper, now) - span, self.sync.first_day)
            listing = self._list(lower, upper)
            found = len(listing.documents)
            sweep["listed"] += found
            sweep["missing"] += found - len(self._stored(listing.documents))
            sweep["to"] = lower.isoformat()  # meetings that are listed and not read below are postponed, not lost
            yield from self._read_changed(listing)
            upper = lower
            span = span * GROWTH if found < FEW else span / 2 if found > MANY else span
        self._record_census(sweep)
        del self.sync.memory["sweep"]

    def _list(self, lower: datetime, upper: datetime) -> MeetingList:
        """The meetings of a span, with stored ones that the list left out although they exist."""
        listing = self.lister.meetings(lower, upper)
        stored = self._stored_between(lower, upper)
        self._stored_in_spans += len(stored)
        self._find_gone(sorted(stored - listing.documents.keys()), listing)
        return listing

    def _read_changed(self, listing: MeetingList) -> Iterator[MeetingBatch]:
        """Compare what was listed with what is stored, and read what is new or looks different."""
        known = self._stored(listing.documents)
        light = []
        for row_id, document in listing.documents.items():
            if row_id in self._met:
                continue
            self._met.add(row_id)
            stored = known.get(row_id)
            same = stored is not None and stored.fingerprint == fingerprint(document)
            if row_id in listing.damaged:
                # A field that the list could not answer is no change. The next pull compares again.
                if stored is None:
                    self._waiting[row_id] = None
            elif is_finished(document):
                if not (same and stored and stored.is_whole) and not self._given_up(row_id):
                    self._waiting[row_id] = document
            elif stored is None or not (stored.is_whole or same):
                light.append(document)
        yield MeetingBatch(light=light)
        yield from self._read_waiting(known)

    def _find_gone(self, missing: Sequence[str], listing: MeetingList) -> None:
        """Ask by id for stored meetings that were not listed: a list that ended early must not delete anything."""
        if not missing:
            return
        read = self.client.light_meetings(missing)
        self.gone.update(read.missing)
        for document in read.documents:
            listing.documents.setdefault(str(document["id"]), document)
        listing.damaged |= read.damaged.keys()
        for row_id in read.missing:
            self._tries.pop(row_id, None)

    def _read_left_over(self) -> Iterator[MeetingBatch]:
        """Read by id the meetings that an earlier pull listed and that were not read whole since."""
        rows = self.sync.stored.query(
            f"select id from raw.transcripts where not is_whole and {ALIVE} order by started_at desc, id"
        )
        for row_id in [*self._unread, *(row_id for (row_id,) in rows)]:
            if row_id not in self._met and not self._given_up(row_id):
                self._met.add(row_id)
                self._waiting[row_id] = None
        yield from self._read_waiting(self._stored(self._waiting))

    # ------------------------------------------------------------ documents

    def _read_waiting(self, known: dict[str, _Stored]) -> Iterator[MeetingBatch]:
        """Read whole the meetings that wait, newest first."""
        order = list(self._waiting)
        for start in range(0, len(order), WHOLE_BATCH):
            ids = order[start : start + WHOLE_BATCH]
            read = self.client.whole_meetings(ids)
            batch = MeetingBatch()
            for document in read.documents:
                row_id = str(document["id"])
                if row_id not in read.damaged:
                    self._add(row_id, document, known.get(row_id), batch)
            for row_id in read.missing:
                # No longer there: gone if it was stored. A meeting that was only listed has no row.
                self._tries.pop(row_id, None)
                if row_id in known:
                    self.gone.add(row_id)
            for row_id in read.damaged:
                self._tries[row_id] = self._tries.get(row_id, 0) + 1
                if row_id not in known and (listed := self._waiting[row_id]):
                    batch.light.append(listed)
            for row_id in ids:
                del self._waiting[row_id]
            self._read += len(ids)
            self.sync.stream("transcripts").pages += 1
            self.sync.report("transcripts", self._read, self._read + len(self._waiting))
            yield batch

    def _add(self, row_id: str, document: Document, stored: _Stored | None, batch: MeetingBatch) -> None:
        """Add a document that was read whole to the batch; as a light one while the meeting is not finished."""
        if is_finished(document):
            self._tries.pop(row_id, None)
            batch.whole.append((document, self._waiting[row_id]))
            return
        self._tries[row_id] = self._tries.get(row_id, 0) + 1
        light = keep_fields(document, LIGHT_FIELDS)
        if stored is None or not (stored.is_whole or stored.fingerprint == fingerprint(light)):
            batch.light.append(light)

    def _given_up(self, row_id: str) -> bool:
        """Whether a meeting was asked for so often without success that only a census asks again."""
        return not self.sync.census and self._tries.get(row_id, 0) >= MOST_TRIES

    def _postpone(self) -> MeetingBatch:
        """Leave the meetings that wait to the next pull: new ones get a row, the ids of changed ones are remembered."""
        known = self._stored(self._waiting)
        left = [row_id for row_id in self._unread if row_id not in self._met]
        self.sync.memory["unread"] = [*left, *(row_id for row_id in self._waiting if row_id in known)]
        return MeetingBatch(
            light=[
                document for row_id, document in self._waiting.items() if document is not None and row_id not in known
            ]
        )

    # --------------------------------------------------------------- stored

    def _stored(self, ids: Collection[str]) -> dict[str, _Stored]:
        """Those of these meetings that are stored and alive, by id."""
        rows = self.sync.stored.query(
            "select id, fingerprint, is_whole from raw.transcripts "
            f"where {ALIVE} and id in (select unnest(?::varchar[])) "
            f"and {NOT_CUT_OFF}",
            [list(ids)],
        )
        return {row_id: _Stored(fingerprint, bool(whole)) for row_id, fingerprint, whole in rows} if ids else {}

    def _stored_between(self, lower: datetime, upper: datetime) -> set[str]:
        """Ids of the stored meetings that are alive and began in [lower, upper)."""
        rows = self.sync.stored.query(
            f"select id from raw.transcripts where {ALIVE} and started_at >= ? and started_at < ?",
            [lower, upper],
        )
        return {row_id for (row_id,) in rows}

    def _record_census(self, sweep: Document) -> None:
        """The census: how many meetings were listed, how many of them were missing, and what the account counts."""
        self.sync.counts.append(
            CensusCount(
                "transcripts",
                self.sync.site,
                "all meetings",
                sweep["listed"],
                sweep["missing"],
                self.site.counted_meetings(),
                column="site",
            )
        )
