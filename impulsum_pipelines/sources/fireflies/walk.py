"""Which meetings to read, and reading them.

Fireflies has no cursor of changes: a summary is ready long after the meeting's date, an upload carries an old date,
an edit is told nowhere, and what is deleted or no longer shared is just not listed any more. So:

- A live pull lists the meetings of the last weeks (:data:`OVERLAP` behind the watermark) and compares.
- A sweep lists everything, in spans of time from the newest to the oldest: the first pull, and every census.
- Only what is new or looks different is read whole, and only when it is finished.
- What is no longer listed is asked for by id before it counts as gone.

The day's quota may end at any point. What was read is loaded, what was listed is held as a row that says so, and
``sync.memory`` says how far the sweep came: the next pull goes on there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import CensusCount, Sync
from impulsum_pipelines.sources.base.table import ALIVE, NOT_CUT_OFF
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.fireflies.client import WHOLE_BATCH, FirefliesClient
from impulsum_pipelines.sources.fireflies.documents import LIGHT, Document, cut, fingerprint, is_finished
from impulsum_pipelines.sources.fireflies.listing import Lister, Listing

#: How far behind the watermark a live pull lists again: longer than any summary takes.
OVERLAP = timedelta(days=21)
#: A list reaches this far ahead: an upload may carry any date.
AHEAD = timedelta(days=3_650)
#: The first span of a sweep. Spans grow while little is in them, and shrink where there is much.
FIRST_SPAN = timedelta(days=30)
LITTLE, MUCH = 25, 500
#: How many times longer the next span is after one with little in it: years without a meeting are crossed quickly.
GROWTH = 4
#: How often a meeting that stays unfinished, or cannot be read whole, is asked for by id before only a census does.
MOST_TRIES = 10
#: Losing more than this share of what was listed, and at least so many meetings, is not believed.
GUARD_SHARE, GUARD_ROWS = 0.5, 10


@dataclass
class Page:
    """Some meetings.

    Args:
        light: those that have no more than a row yet.
        whole: finished ones, read whole, each with what the list said of it (None where it was not listed).
        is_last: nothing follows, so that what was held back is given on.
    """

    light: list[Document] = field(default_factory=list)
    whole: list[tuple[Document, Document | None]] = field(default_factory=list)
    is_last: bool = False


@dataclass(frozen=True)
class _Known:
    """What is held of one meeting."""

    fingerprint: str | None
    is_whole: bool


class MeetingWalk:
    """The meetings of one sync."""

    def __init__(self, client: FirefliesClient, sync: Sync, account: Document) -> None:
        self.client = client
        self.sync = sync
        self.account = account
        self.lister = Lister(client, sync)
        #: Meetings that Fireflies no longer has, or no longer shows.
        self.gone: set[str] = set()
        self._alive_listed = 0
        #: To be read whole, as listed; None where it was not. Emptied as they are read.
        self._waiting: dict[str, Document | None] = {}
        self._met: set[str] = set()
        self._read = 0
        self._tries: dict[str, int] = sync.memory.setdefault("tries", {})
        self._unread: list[str] = sync.memory.pop("unread", [])

    @property
    def loss_is_doubtful(self) -> bool:
        """Whether so much is gone that lost access is the better guess."""
        return len(self.gone) >= GUARD_ROWS and len(self.gone) > GUARD_SHARE * self._alive_listed

    def pages(self) -> Iterator[Page]:
        """Every meeting that must be written, newest first within what is listed at once."""
        ended = "complete"
        try:
            yield from self._all()
        except ImpulsumError as error:
            if not error.retryable:
                raise
            error.safe = "What was read is loaded, and the next pull goes on there."
            self.sync.fail(error)
            ended = f"early: {error.what}"
            yield self._put_off()
        for name in ("transcripts", "sentences", "attendees", "action_items"):
            self.sync.stream(name).ended = ended

    def _all(self) -> Iterator[Page]:
        window = self.sync.window
        if window:
            yield from self._take(self._listed(window.start, window.end))
            return
        now = self.sync.started_at or datetime.now(UTC)
        sweep: Document | None = self.sync.memory.get("sweep")
        if sweep is None and (self.sync.census or self.sync.is_first):
            # Begins with the newest, so it is a live pull as well.
            sweep = {"to": (now + AHEAD).isoformat(), "from": now.isoformat(), "listed": 0, "missing": 0}
            self.sync.memory["sweep"] = sweep
        else:
            behind = self.sync.watermark or (datetime.fromisoformat(sweep["from"]) if sweep else now)
            listing = self._listed(max(behind - OVERLAP, self.sync.first_day), now + AHEAD)
            if sweep:  # what was held since it began is above where it goes on
                since = datetime.fromisoformat(sweep["from"])
                sweep["listed"] += sum(
                    (as_datetime(d.get("date")) or since) > since for d in listing.documents.values()
                )
                sweep["from"] = now.isoformat()
            yield from self._take(listing)
            yield from self._left_over()
        if sweep:
            yield from self._sweep(sweep, now)
            yield from self._left_over()

    # ---------------------------------------------------------------- spans

    def _sweep(self, sweep: Document, now: datetime) -> Iterator[Page]:
        """List everything from where the sweep stands back to the first day."""
        span = FIRST_SPAN
        upper = datetime.fromisoformat(sweep["to"])
        while upper > self.sync.first_day:
            lower = max(min(upper, now) - span, self.sync.first_day)
            listing = self._listed(lower, upper)
            found = len(listing.documents)
            sweep["listed"] += found
            sweep["missing"] += found - len(self._known(listing.documents))
            sweep["to"] = lower.isoformat()  # whatever is listed and not read below is put off, not lost
            yield from self._take(listing)
            upper = lower
            span = span * GROWTH if found < LITTLE else span / 2 if found > MUCH else span
        self._count(sweep)
        del self.sync.memory["sweep"]

    def _listed(self, lower: datetime, upper: datetime) -> Listing:
        """The meetings of a span, with those that the list left out although they exist."""
        listing = self.lister.span(lower, upper)
        alive = self._alive_between(lower, upper)
        self._alive_listed += len(alive)
        self._confirm(sorted(alive - listing.documents.keys()), listing)
        return listing

    def _take(self, listing: Listing) -> Iterator[Page]:
        """Compare what was listed with what is held, and read what must be read."""
        known = self._known(listing.documents)
        light = []
        for row_id, document in listing.documents.items():
            if row_id in self._met:
                continue
            self._met.add(row_id)
            held = known.get(row_id)
            same = held is not None and held.fingerprint == fingerprint(document)
            if row_id in listing.damaged:
                # What the list could not say is no change. It is compared again by the next pull.
                if held is None:
                    self._waiting[row_id] = None
            elif is_finished(document):
                if not (same and held and held.is_whole) and not self._given_up(row_id):
                    self._waiting[row_id] = document
            elif held is None or not (held.is_whole or same):
                light.append(document)
        yield Page(light=light)
        yield from self._drain(known)

    def _confirm(self, missing: Sequence[str], listing: Listing) -> None:
        """Ask by id for what is held and was not listed: a list that ended early must not delete anything."""
        if not missing:
            return
        read = self.client.light(missing)
        self.gone.update(read.missing)
        for document in read.documents:
            listing.documents.setdefault(str(document["id"]), document)
        listing.damaged |= read.damaged.keys()
        for row_id in read.missing:
            self._tries.pop(row_id, None)

    def _left_over(self) -> Iterator[Page]:
        """Meetings that were listed by an earlier pull and have not been read whole since; asked for by id."""
        rows = self.sync.held.query(
            f"select id from raw.transcripts where not is_whole and {ALIVE} order by started_at desc, id"
        )
        for row_id in [*self._unread, *(row_id for (row_id,) in rows)]:
            if row_id not in self._met and not self._given_up(row_id):
                self._met.add(row_id)
                self._waiting[row_id] = None
        yield from self._drain(self._known(self._waiting))

    # ------------------------------------------------------------ documents

    def _drain(self, known: dict[str, _Known]) -> Iterator[Page]:
        """Read whole what waits, newest first."""
        order = list(self._waiting)
        for start in range(0, len(order), WHOLE_BATCH):
            batch = order[start : start + WHOLE_BATCH]
            read = self.client.whole(batch)
            page = Page()
            for document in read.documents:
                row_id = str(document["id"])
                if row_id not in read.damaged:
                    self._settle(row_id, document, known.get(row_id), page)
            for row_id in read.missing:
                # Not there any more: gone if it was held. What was only listed never was.
                self._tries.pop(row_id, None)
                if row_id in known:
                    self.gone.add(row_id)
            for row_id in read.damaged:
                self._tries[row_id] = self._tries.get(row_id, 0) + 1
                if row_id not in known and (listed := self._waiting[row_id]):
                    page.light.append(listed)
            for row_id in batch:
                del self._waiting[row_id]
            self._read += len(batch)
            self.sync.stream("transcripts").pages += 1
            self.sync.report("transcripts", self._read, self._read + len(self._waiting))
            yield page

    def _settle(self, row_id: str, document: Document, held: _Known | None, page: Page) -> None:
        if is_finished(document):
            self._tries.pop(row_id, None)
            page.whole.append((document, self._waiting[row_id]))
            return
        self._tries[row_id] = self._tries.get(row_id, 0) + 1
        light = cut(document, LIGHT)
        if held is None or not (held.is_whole or held.fingerprint == fingerprint(light)):
            page.light.append(light)

    def _given_up(self, row_id: str) -> bool:
        """Whether a meeting was asked for so often in vain that only a census asks again."""
        return not self.sync.census and self._tries.get(row_id, 0) >= MOST_TRIES

    def _put_off(self) -> Page:
        """What waits and was not read: a row for what is new, and a note of what has changed."""
        known = self._known(self._waiting)
        left = [row_id for row_id in self._unread if row_id not in self._met]
        self.sync.memory["unread"] = [*left, *(row_id for row_id in self._waiting if row_id in known)]
        return Page(light=[doc for row_id, doc in self._waiting.items() if doc is not None and row_id not in known])

    # ----------------------------------------------------------------- held

    def _known(self, ids: Collection[str]) -> dict[str, _Known]:
        rows = self.sync.held.query(
            "select id, fingerprint, is_whole from raw.transcripts "
            f"where {ALIVE} and id in (select unnest(?::varchar[])) "
            f"and {NOT_CUT_OFF}",
            [list(ids)],
        )
        return {row_id: _Known(fingerprint, bool(whole)) for row_id, fingerprint, whole in rows} if ids else {}

    def _alive_between(self, lower: datetime, upper: datetime) -> set[str]:
        rows = self.sync.held.query(
            f"select id from raw.transcripts where {ALIVE} and started_at >= ? and started_at < ?",
            [lower, upper],
        )
        return {row_id for (row_id,) in rows}

    def _count(self, sweep: Document) -> None:
        """The census: how many meetings were listed, against those held, and what the account itself counts."""
        users = self._users()
        counted = [user.get("num_transcripts") for user in users]
        total = int(sum(n for n in counted if isinstance(n, int | float)))
        self.sync.counts.append(
            CensusCount(
                "transcripts", self.sync.site, "all meetings", sweep["listed"], sweep["missing"], total, column="site"
            )
        )

    def _users(self) -> list[Document]:
        """Whose meetings the key sees; where the plan does not say, its owner alone."""
        if self.account.get("is_admin"):
            try:
                return self.client.team()
            except ImpulsumError as error:
                if error.category is not Category.PERMISSION:
                    raise
        return [self.account]
