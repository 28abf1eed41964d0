"""Which messages to read, and what that proves: a channel from now backwards, and the threads that changed.

Slack filters by when a message was posted, never by when it changed. So a pull lists a channel's messages again and
compares them with the stored ones: a text or a reaction that changed, a message that vanished, a thread whose root
counts other replies than are stored. One request lists up to 999 messages, so it costs nothing to always go as far
back as that request goes. Only the rest of the thread window waits until reference data is due.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from impulsum_pipelines.sources.base.sync import CensusCount, Scan, Sync
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.base.values import as_int
from impulsum_pipelines.sources.slack import rows
from impulsum_pipelines.sources.slack.client import Document, SlackClient
from impulsum_pipelines.sources.slack.refusals import THREAD_GONE, SlackError
from impulsum_pipelines.sources.slack.site import SlackSite
from impulsum_pipelines.sources.slack.tables import MESSAGES

log = logging.getLogger(__name__)

#: Threads with a reply within this time are read again with the reference data, because an edited reply does not
#: change its root. Nine of ten edits come within 42 hours (measured on a real archive).
RECENT = timedelta(days=2)
#: About so many of the threads that are older than the thread window are read again by each census, in turns.
OLD_THREADS_PER_CENSUS = 500
#: How far the upper bound of a live pull lies after the sync's start: people post while it runs.
AHEAD = timedelta(days=1)


@dataclass
class Bounds:
    """Which part of a channel is read. All bounds are ts, which sort as text like as times.

    Args:
        oldest, latest: the span that is listed, both ends included.
        must_reach: the listing may stop once a page went further back than this.
        first, last: messages with ``first <= ts < last`` are kept.
        is_complete: the whole channel is read.
    """

    oldest: str
    latest: str
    must_reach: str
    first: str
    last: str
    is_complete: bool = False


@dataclass
class ChannelContents:
    """What was found in a channel so far."""

    #: ts of the messages that the channel lists.
    listed: set[str] = field(default_factory=set)
    #: By root, the ts of the replies of each thread that was read.
    threads: dict[str, set[str]] = field(default_factory=dict)
    #: By root, the number of replies that were also sent to the channel: the channel lists them as well.
    broadcasts: Counter[str] = field(default_factory=Counter)
    #: Replies that all roots count together.
    claimed: int = 0
    #: The share of them in threads that were not read, because the stored replies agree with the root.
    trusted: int = 0
    #: Messages that were not stored before.
    new: int = 0
    #: The listing has no gap back to this ts.
    reached: str = ""
    is_limited: bool = False


class ChannelWalk:
    """Reads one channel during one sync.

    Args:
        client: reads the channel.
        site: the workspace.
        sync: the sync.
        channel: the channel's document.
    """

    def __init__(self, client: SlackClient, site: SlackSite, sync: Sync, channel: Document) -> None:
        self.client = client
        self.sync = sync
        self.id = str(channel["id"])
        self.kind = rows.type_of(channel)
        self.name = str(channel.get("name") or f"direct messages with {channel.get('user')}")
        self.is_archived = bool(channel.get("is_archived"))
        self.now = sync.started_at or datetime.now(UTC)
        self.window_floor = rows.to_ts(self.now - timedelta(days=site.thread_days))
        self.recent = rows.to_ts(self.now - RECENT)
        self.memory: dict[str, Any] = sync.memory.setdefault("channels", {}).get(self.id, {})
        self.thread_days = site.thread_days
        self.found = ChannelContents()
        #: What the root of each thread that was read says: the number of replies, and the ts of the newest.
        self._claims: dict[str, tuple[int, str]] = {}

    # ---------------------------------------------------------------- bounds

    @property
    def is_settled(self) -> bool:
        """True for an archived channel that was read since it was archived: nothing changes there any more."""
        live = not self.sync.census and self.sync.window is None
        return live and self.is_archived and bool(self.memory.get("archived")) and self._is_known

    @property
    def _is_known(self) -> bool:
        """Whether it was read completely before, with the type it has now.

        A channel that was made private is read again, because its messages became private too.
        """
        return "read_to" in self.memory and self.memory.get("type") == self.kind

    def bounds(self) -> Bounds:
        """Which part of the channel to read."""
        first_day = rows.to_ts(self.sync.first_day)
        if window := self.sync.window:
            first, last = rows.to_ts(max(window.start, self.sync.first_day)), rows.to_ts(window.end)
            oldest = max(first_day, rows.to_ts(window.start - timedelta(days=self.thread_days)))
            return Bounds(oldest, last, oldest, first, last)
        latest = rows.to_ts(self.now + AHEAD)
        if self.sync.census or not self._is_known:
            return Bounds(first_day, latest, first_day, first_day, latest, is_complete=True)
        read_to = rows.from_ts(self.memory["read_to"]) or self.sync.first_day
        overlap = rows.to_ts(read_to - self.sync.overlap)
        oldest = max(first_day, min(self.window_floor, overlap))
        must_reach = oldest if self.sync.due(MESSAGES) else max(overlap, oldest)
        return Bounds(oldest, latest, must_reach, first_day, latest)

    # --------------------------------------------------------------- reading

    def read(self) -> Iterator[list[Document]]:
        """Yield the documents to keep, page by page, each id once; then record what is gone and what was counted."""
        bounds = self.bounds()
        found = self.found
        stored = self._stored_ids() if bounds.is_complete else set()
        turns = self._turns() if bounds.is_complete and self._is_known else 1
        for page in self.client.history(self.id, bounds.oldest, bounds.latest):
            self.sync.stream(MESSAGES.name).pages += 1
            found.is_limited |= page.is_limited
            listed = [m for m in page.messages if str(m.get("ts")) not in found.listed]
            found.listed.update(str(m.get("ts")) for m in listed)
            found.broadcasts.update(str(m.get("thread_ts")) for m in listed if _is_broadcast(m))
            threads = [reply for root in self._changed(listed, bounds, turns) for reply in self._thread(root, bounds)]
            kept = [m for m in listed if self._is_kept(m, bounds)]
            found.new += sum(f"{self.id}:{m.get('ts')}" not in stored for m in (*kept, *threads))
            yield [*kept, *threads]
            found.reached = min((str(m.get("ts")) for m in page.messages), default=found.reached)
            if not page.is_last and found.reached and found.reached < bounds.must_reach:
                break
        else:
            found.reached = bounds.oldest
        self._conclude(bounds)

    def _is_kept(self, message: Document, bounds: Bounds) -> bool:
        """True within the bounds, and for an older root whose thread was read: a reply in the window changed it.

        A document without a ts is kept as well: it belongs in the quarantine.
        """
        ts = str(message.get("ts") or "")
        return not ts or bounds.first <= ts < bounds.last or (ts in self.found.threads and ts < bounds.first)

    def _changed(self, listed: list[Document], bounds: Bounds, turns: int) -> list[str]:
        """The roots whose threads must be read."""
        stored = self._stored_threads([str(m.get("ts")) for m in listed])
        chosen = []
        for message in listed:
            ts, count = str(message.get("ts")), as_int(message.get("reply_count")) or 0
            latest = str(message.get("latest_reply") or "")
            if _is_broadcast(message):
                continue
            if not count:
                if stored.get(ts):
                    self.found.threads[ts] = set()  # its replies were deleted
                continue
            self.found.claimed += count
            if self._must_read(ts, (count, latest), stored.get(ts), bounds, turns):
                chosen.append(ts)
                self._claims[ts] = (count, latest)
            else:
                self.found.trusted += count
        return chosen

    def _must_read(
        self, ts: str, claim: tuple[int, str], stored: tuple[int, str] | None, bounds: Bounds, turns: int
    ) -> bool:
        """Whether to read a thread, given what its root says and what is stored: (number of replies, newest ts)."""
        latest = claim[1]
        if self.sync.window:
            return latest >= bounds.first
        if stored != claim and self.memory.get("odd", {}).get(ts) != [*claim, *(stored or (0, ""))]:
            return True
        if bounds.is_complete:
            return latest >= self.window_floor or ts >= self.window_floor or self._is_its_turn(ts, turns)
        return self.sync.due(MESSAGES) and latest >= self.recent

    def _thread(self, root: str, bounds: Bounds) -> list[Document]:
        """The replies of a thread within the bounds, without those that the channel lists as well."""
        try:
            replies = self.client.replies(self.id, root)
        except SlackError as error:
            if error.code not in THREAD_GONE:
                raise
            replies = []
        self.found.threads[root] = {str(reply.get("ts")) for reply in replies}
        return [r for r in replies if not _is_broadcast(r) and bounds.first <= str(r.get("ts")) < bounds.last]

    def _turns(self) -> int:
        """How many censuses it takes to read every thread that is older than the thread window once."""
        [(old,)] = self.sync.stored.query(
            f"select count(*) from raw.messages where channel_id = ? and latest_reply < ? and {ALIVE}",
            [self.id, self.window_floor],
        )
        return 1 + int(old) // OLD_THREADS_PER_CENSUS

    def _is_its_turn(self, ts: str, turns: int) -> bool:
        return int(ts.partition(".")[0]) % turns == self.now.toordinal() % turns

    # ---------------------------------------------------------------- stored

    def _stored_ids(self) -> set[str]:
        stored = self.sync.stored.query(f"select id from raw.messages where channel_id = ? and {ALIVE}", [self.id])
        return {message_id for (message_id,) in stored}

    def _stored_threads(self, roots: list[str]) -> dict[str, tuple[int, str]]:
        """By root, the number of stored replies and the ts of the newest; roots without any are left out."""
        stored = self.sync.stored.query(
            f"select thread_ts, count(*), max(ts) from raw.messages "
            f"semi join (select unnest(?::varchar[]) as thread_ts) using (thread_ts) "
            f"where channel_id = ? and is_reply and {ALIVE} group by thread_ts",
            [roots, self.id],
        )
        return {ts: (count, latest) for ts, count, latest in stored}

    # ------------------------------------------------------------- conclude

    def _conclude(self, bounds: Bounds) -> None:
        """Record what is gone, what was counted, and how far the channel is read."""
        self._record_gone(bounds)
        if self.sync.window:
            return
        if bounds.is_complete:
            self._count()
        state: dict[str, Any] = {"read_to": rows.to_ts(self.now), "type": self.kind}
        state |= {"archived": True} if self.is_archived else {}
        state |= {"odd": odd} if (odd := self._mismatched_threads()) else {}
        self.sync.memory["channels"][self.id] = state

    def _mismatched_threads(self) -> dict[str, list[object]]:
        """Threads whose root disagrees with the replies that Slack gives; with both, so that each is read only once."""
        found = self.found
        odd = {
            root: both
            for root, both in self.memory.get("odd", {}).items()
            if root not in found.threads and (root in found.listed or root < found.reached)
        }
        for root, claim in self._claims.items():
            given = (len(found.threads[root]), max(found.threads[root], default=""))
            if given != claim:
                odd[root] = [*claim, *given]
        return odd

    def _record_gone(self, bounds: Bounds) -> None:
        """Mark stored messages of the listed span and of the threads read that Slack no longer returns."""
        shown = "(not is_reply or subtype is not distinct from 'thread_broadcast')"
        within = f"channel_id = ? and ts >= ? and ts < ? and {ALIVE}"
        stored = self.sync.stored.query(
            f"select ts from raw.messages where {within} and {shown}",
            [self.id, max(self.found.reached, bounds.first), bounds.last],
        )
        vanished = {ts for (ts,) in stored if ts not in self.found.listed}
        # Where Slack gives fewer replies than it counts, the missing ones need not be deleted.
        counted = {root: count for root, (count, _) in self._claims.items()}
        threads = {root: ts for root, ts in self.found.threads.items() if len(ts) >= counted.get(root, 0)}
        replies = self.sync.stored.query(
            f"select ts, thread_ts from raw.messages "
            f"semi join (select unnest(?::varchar[]) as thread_ts) using (thread_ts) where {within} and not {shown}",
            [[*vanished, *threads], self.id, bounds.first, bounds.last],
        )
        lost = {ts: root for ts, root in replies if root in vanished or ts not in threads[root]}
        lost |= dict.fromkeys(vanished, "")
        oldest_shown = min(self.found.listed, default=bounds.last) if self.found.is_limited else ""
        hidden = {ts for ts, root in lost.items() if (root or ts) < oldest_shown}
        for gone, unreachable in (lost.keys() - hidden, False), (hidden, True):
            ids = {f"{self.id}:{ts}" for ts in gone}
            scan = Scan(MESSAGES.name, ids, ("channel_id",), [self.id], are_gone=True, unreachable=unreachable)
            self.sync.found_all(scan)

    def _count(self) -> None:
        """Record the census: the messages found, and the number that the channel's roots claim."""
        found = self.found
        replies = sum(len(thread) for thread in found.threads.values()) + found.trusted
        shown = len(found.listed) - sum(n for root, n in found.broadcasts.items() if root in found.listed)
        counted = CensusCount(
            MESSAGES.name, self.id, self.name, shown + replies, found.new, shown + found.claimed, column="channel_id"
        )
        self.sync.counts.append(counted)


def _is_broadcast(message: Document) -> bool:
    """Whether a reply was also sent to the channel: then the channel lists it, and its thread does too."""
    return message.get("subtype") == "thread_broadcast"
