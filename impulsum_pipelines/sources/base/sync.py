"""One sync as a source sees it: what to read, which rows are stored already, and how each stream went.

A source turns documents into rows and passes them to :meth:`Sync.changed_rows`, which drops rows that are stored
unchanged. What a read proves about absence (all comments of these issues, all boards) it records as a :class:`Scan`;
loading sets ``deleted_at`` on stored rows that a scan does not list. Nothing here knows Dagster, and nothing writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.sources.base.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of one table that are given to dlt at once.
PIECE_ROWS = 500

Progress = Callable[[str, int, "int | None"], None]


@dataclass(frozen=True)
class Window:
    """A span of the source's change time, [start, end), UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            raise ValueError(f"not a window in UTC: {self.start} .. {self.end}")

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M}..{self.end:%Y-%m-%d %H:%M} UTC"


class Held(Protocol):
    """What the raw file holds at the start of the sync."""

    def hashes(self, table: str, ids: Sequence[str]) -> Mapping[str, str | None]:
        """``row_hash`` by id, of those of ``ids`` that are held; None for a row deleted or unreachable."""

    def is_empty(self, table: str) -> bool:
        """Whether the table holds no row at all."""

    def ids(self, table: str, *, alive: bool = True, settled: bool = False) -> set[str]:
        """Every id held.

        Args:
            table: the table.
            alive: only rows that are neither deleted nor unreachable.
            settled: only rows that no interrupted load wrote, see ``NOT_CUT_OFF`` in :mod:`table`.
        """

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only query over the raw file."""

    def refreshed_at(self, table: str) -> datetime | None:
        """When the table was last read afresh (see :meth:`Sync.due`), by our clock."""


@dataclass(frozen=True)
class Scan:
    """Proof of absence: everything that exists at the source within a scope.

    Args:
        table: the table that was read.
        ids: the ids that exist, or, with ``are_gone``, ids that the source reports as deleted.
        parents: columns that tie a row to its scope (any of them); empty when the scope is the whole table.
        scope: values of the parent columns that were read completely.
        are_gone: ``ids`` are deletions told by the source, not survivors.
        unreachable: what is missing is out of sight, not known to be deleted.
        guarded: losing more than half of the scope at once is not believed: rows become unreachable.
    """

    table: str
    ids: Collection[str]
    parents: tuple[str, ...] = ()
    scope: Collection[str] = ()
    are_gone: bool = False
    unreachable: bool = False
    guarded: bool = True


@dataclass(frozen=True)
class CensusCount:
    """One line of a census: what the source has in a scope, against what is held."""

    entity: str
    scope_id: str
    scope_name: str
    at_source: int
    missing: int
    approximate: int | None = None
    #: The column of the table that holds ``scope_id``.
    column: str = "project_id"


@dataclass
class Stream:
    """How one stream of a sync went: why it ended, and how much it carried."""

    ended: str = "not read"
    pages: int = 0
    rows: int = 0

    def conclude(self, but: str = "") -> None:
        """It came to its end, if nothing was noted meanwhile that kept it from it; with what is to be added to that."""
        if not self.ended.startswith(("early", "not permitted")):
            self.ended = f"complete; {but}" if but else "complete"


@dataclass
class Seen:
    """Rows of one table that the sync met."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True)
class Quarantined:
    """A document that could not be shaped into a row, kept with the reason."""

    stream: str
    reason: str
    document: str


@dataclass
class Sync:
    """One sync of one source.

    Args:
        sync_id: unique; written on every row.
        held: what is held at its start.
        watermark: start of the last complete live sync by the source's clock; None for the first.
        window: read this closed span and leave the watermark alone; None for a live sync.
        census: compare every id at the source with the ids held.
        overlap: how far behind the watermark a live sync reads again.
        reference_age: slow reference tables younger than this are not read again by a live sync.
        first_day: nothing that last changed before this is read.
        report: called with a stream, what is done, and the total where it is known.
        refresh: what to read whole, changed or not, by the names that events give their subjects: ``sprint:12``. What a
            source does not know by such a name it leaves aside. Slow reference tables are then read afresh.
        memory: what earlier syncs of this source chose to remember, by name: a cursor a channel, an ETag a page.
            Changes are stored with the rows, or not at all. A window's are thrown away.
    """

    sync_id: str
    held: Held
    watermark: datetime | None
    window: Window | None
    census: bool
    overlap: timedelta
    reference_age: timedelta
    first_day: datetime
    report: Progress
    refresh: frozenset[str] = frozenset()
    memory: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    newest_held: datetime | None = None
    site: str = ""
    reads_all: bool = True
    watermark_to: datetime | None = None
    streams: dict[str, Stream] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    scans: list[Scan] = field(default_factory=list)
    counts: list[CensusCount] = field(default_factory=list)
    refreshed: dict[str, bool] = field(default_factory=dict)
    failures: list[ImpulsumError] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    _met: dict[str, set[str]] = field(default_factory=dict)
    _waiting: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def since(self) -> datetime:
        """The lower bound of what to read, floored to the minute: some vendors know nothing finer."""
        if self.window:
            bound = self.window.start
        elif self.watermark:
            bound = self.watermark - self.overlap
        else:
            bound = self.first_day
        return max(bound, self.first_day).replace(second=0, microsecond=0)

    @property
    def stamp(self) -> datetime | None:
        """When what this sync reads counts as read, by the source's clock.

        Never before what is held, though that clock steps back: a build takes up what is stamped from the newest row
        that it has seen, and would never see these.
        """
        return max((at for at in (self.started_at, self.newest_held) if at), default=None)

    @property
    def has_rows(self) -> bool:
        """Whether anything new or changed was found, and so has to be written."""
        return any(seen.new or seen.changed for seen in self.seen.values())

    @property
    def until(self) -> datetime | None:
        """The upper bound of a window, exclusive; a live sync has none."""
        return self.window.end if self.window else None

    @property
    def is_first(self) -> bool:
        """True when nothing was ever pulled completely."""
        return self.window is None and self.watermark is None

    def conclude(self) -> None:
        """Everything was read: the watermark moves to this sync's start, to be stored with the rows.

        Left alone by a window, by a sync of some tables only, and by one that ended early (see :meth:`fail`).
        """
        if self.window is None and self.reads_all and not self.failures:
            self.watermark_to = self.started_at

    def fail(self, error: ImpulsumError) -> None:
        """A stream ended early. What it found is loaded, the watermark stays, and then the sync raises the error."""
        self.failures.append(error)

    def due(self, table: Table) -> bool:
        """Whether slow reference data must be read afresh now; the same answer for the whole sync."""
        if table.name not in self.refreshed:
            at = self.held.refreshed_at(table.name)
            always = self.census or self.is_first or self.window is not None or self.refresh
            self.refreshed[table.name] = bool(always) or at is None or datetime.now(UTC) - at >= self.reference_age
        return self.refreshed[table.name]

    def stream(self, name: str) -> Stream:
        """The record of one stream."""
        return self.streams.setdefault(name, Stream())

    def parse(
        self, table: Table, shape: Callable[[Any], Mapping[str, Any]], documents: Iterable[Any]
    ) -> Iterator[Mapping[str, Any]]:
        """The documents as rows; one that does not fit is quarantined and the others go on."""
        for document in documents:
            try:
                yield shape(document)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                reason = f"{type(error).__name__}: {error}"
                kept = json.dumps(document, default=repr)[:1_000_000]
                self.quarantined.append(Quarantined(table.name, reason, kept))

    def changed_rows(
        self, table: Table, rows: Iterable[Mapping[str, Any]], *, shared: bool = False, more: bool = False
    ) -> Iterator[pa.Table]:
        """The rows that are new or changed, as one Arrow table, or nothing.

        A sync must give each id once. Within one call that is seen to here.

        Args:
            table: what the rows are.
            rows: dicts of ``id``, the table's own columns and ``payload``, a document; also ``hashed`` where a row
                is to be recognized by something else than its payload.
            more: more rows of the table follow; the pieces are given on together, since dlt checks the schema of each
                piece that it gets, which costs as much as shaping fifty issues.
            shared: an id may come in several calls (a link is in both its issues): only the first counts.
        """
        shaped = self._shape(rows)
        if shared:
            met = self._met.setdefault(table.name, set())
            shaped = [row for row in shaped if row["id"] not in met]
            met.update(row["id"] for row in shaped)
        held = self.held.hashes(table.name, [row["id"] for row in shaped]) if shaped else {}
        kept = [row for row in shaped if held.get(row["id"]) != row["row_hash"]]
        changed = sum(row["id"] in held for row in kept)
        seen = self.seen.setdefault(table.name, Seen())
        seen.new += len(kept) - changed
        seen.changed += changed
        seen.unchanged += len(shaped) - len(kept)
        self.stream(table.name).rows += len(shaped)
        waiting = self._waiting.setdefault(table.name, [])
        waiting += kept
        if waiting and (not more or len(waiting) >= PIECE_ROWS):
            yield from self._pieces(table, waiting)

    def replace_table(
        self, table: Table, rows: Iterable[Mapping[str, Any]], *, unreachable: bool = False
    ) -> Iterator[pa.Table]:
        """Like :meth:`changed_rows`, for a table that was read whole: what is held and not among the rows is gone."""
        documents = list(rows)
        yield from self.changed_rows(table, documents)
        self.found_all(Scan(table.name, {row["id"] for row in documents}, unreachable=unreachable))
        self.stream(table.name).ended = "complete"

    def found_all(self, scan: Scan) -> None:
        """Record a proof of absence; of a table that holds nothing yet, nothing can be absent."""
        if not self.held.is_empty(scan.table):
            self.scans.append(scan)

    def _shape(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows with their payload as JSON (UTF-8) and its hash, each id once (a vendor's page may repeat one)."""
        shaped = {}
        for row in rows:
            payload = orjson.dumps(row["payload"])
            hashed = orjson.dumps(row["hashed"]) if "hashed" in row else payload
            digest = blake2b(hashed, digest_size=12).hexdigest()
            shaped[row["id"]] = {**row, "payload": payload, "row_hash": digest}
        return list(shaped.values())

    def _pieces(self, table: Table, rows: list[dict[str, Any]]) -> Iterator[pa.Table]:
        """The rows as one Arrow table; the list is emptied."""
        import pyarrow as pa

        # What is the same for every row of a sync is not looked up in each.
        same = {"site": self.site, "sync_id": self.sync_id, "extracted_at": self.stamp}
        same |= {"deleted_at": None, "unreachable_since": None}
        columns = [
            pa.repeat(pa.scalar(same[name], column_type), len(rows))  # type: ignore[call-overload]  # any type
            if name in same
            else pa.array(list(map(itemgetter(name), rows)), column_type)
            for name, column_type in zip(table.schema.names, table.schema.types, strict=True)
        ]
        rows.clear()
        yield pa.Table.from_arrays(columns, schema=table.schema)
