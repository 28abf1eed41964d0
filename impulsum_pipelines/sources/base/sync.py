"""One sync as a source sees it: what to read, which rows are stored already, and how each stream went.

A source turns documents into rows and passes them to :meth:`Sync.changed_rows`, which drops rows that are stored
unchanged. A read that is complete within a scope (all comments of these issues, all boards) is recorded as a
:class:`Scan`; loading sets ``deleted_at`` on the stored rows that the scan does not list. Nothing here knows Dagster,
and nothing writes.
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

#: Rows of one table that dlt gets at once.
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


class StoredRows(Protocol):
    """The rows that the raw file stores at the start of the sync."""

    def hashes(self, table: str, ids: Sequence[str]) -> Mapping[str, str | None]:
        """``row_hash`` by id, for those of ``ids`` that are stored; None for a row that is deleted or unreachable."""

    def is_empty(self, table: str) -> bool:
        """Whether the table has no row at all."""

    def ids(self, table: str, *, alive: bool = True, settled: bool = False) -> set[str]:
        """Every stored id.

        Args:
            table: the table.
            alive: only rows that are neither deleted nor unreachable.
            settled: only rows that no interrupted load wrote, see ``NOT_CUT_OFF`` in :mod:`table`.
        """

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only query over the raw file."""

    def refreshed_at(self, table: str) -> datetime | None:
        """When the table was last read completely (see :meth:`Sync.due`), by our clock."""


@dataclass(frozen=True)
class Scan:
    """A complete list of what exists at the source within a scope: stored rows that it does not list are gone.

    Args:
        table: the table that was read.
        ids: the ids that exist, or, with ``are_gone``, ids that the source reports as deleted.
        parents: columns that tie a row to its scope (any of them); empty when the scope is the whole table.
        scope: values of the parent columns that were read completely.
        are_gone: ``ids`` are deletions that the source reports, not what exists.
        unreachable: missing rows become unreachable, since nothing proves that they were deleted.
        guarded: when more than half of the scope is missing at once, the rows become unreachable, not deleted.
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
    """One line of a census: how many rows the source has in a scope, and how many of those are not stored.

    Args:
        entity: the table.
        scope_id: the scope's id, a value of ``column``.
        scope_name: what people call the scope.
        at_source: rows at the source, counted by listing them.
        missing: rows at the source that were not stored as alive when the sync began.
        approximate: the source's own estimate, where it gives one.
        column: the column of the table that has ``scope_id``.
    """

    entity: str
    scope_id: str
    scope_name: str
    at_source: int
    missing: int
    approximate: int | None = None
    column: str = "project_id"


@dataclass
class Stream:
    """How one stream of a sync went.

    Attributes:
        ended: why it ended: ``complete``, ``early: ...``, ``not permitted ...`` or ``not read``.
        pages: pages read.
        rows: rows parsed, unchanged ones included.
    """

    ended: str = "not read"
    pages: int = 0
    rows: int = 0

    def conclude(self, but: str = "") -> None:
        """Set ``complete``, with a remark if there is one. A stream that ended early or is not permitted stays so."""
        if not self.ended.startswith(("early", "not permitted")):
            self.ended = f"complete; {but}" if but else "complete"


@dataclass
class Seen:
    """How many rows of one table the sync read: new ones, changed ones, and those stored unchanged."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True)
class Quarantined:
    """A document that did not fit its table, kept with the reason."""

    stream: str
    reason: str
    document: str


@dataclass
class Sync:
    """One sync of one source.

    Args:
        sync_id: unique; written on every row.
        stored: the rows stored at its start.
        watermark: start of the last complete live sync by the source's clock; None for the first.
        window: read this closed span, and do not move the watermark; None for a live sync.
        census: compare every id at the source with the stored ids.
        overlap: a live sync starts this long before the watermark.
        reference_age: a live sync does not read slow reference tables again that are younger than this.
        first_day: nothing that last changed before this is read.
        report: called with a stream, how much is done, and the total where it is known.
        refresh: subjects to read completely, changed or not, named as events name them: ``sprint:12``. A source ignores
            names that it does not know. Slow reference tables are then read again.
        memory: what earlier syncs of this source chose to remember, by name: one cursor per channel, one ETag per
            page. Changes are stored with the rows, or not at all. Those of a window are dropped.
        reads_all: whether this sync reads all tables of the source.
        started_at: the source's clock after the first read; None until then.
        newest_stored: newest ``extracted_at`` of the stored rows, where it is later than ``started_at``.
        site: host of the site; the source sets it.
        watermark_to: the watermark to store with the rows; None leaves it where it is.
        streams, seen: by table, how its stream went and how many rows it had.
        scans, counts: what loading marks as gone, and stores as the census.
        refreshed: by slow reference table, whether this sync reads it.
        failures: why streams ended early. The sync raises the first after its rows are loaded.
        quarantined: documents that did not fit their table.
    """

    sync_id: str
    stored: StoredRows
    watermark: datetime | None
    window: Window | None
    census: bool
    overlap: timedelta
    reference_age: timedelta
    first_day: datetime
    report: Progress
    refresh: frozenset[str] = frozenset()
    memory: dict[str, Any] = field(default_factory=dict)
    reads_all: bool = True
    # Known after the first read.
    started_at: datetime | None = None
    newest_stored: datetime | None = None
    site: str = ""
    # What the sync found, for loading.
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
        """The lower bound of what to read, rounded down to the minute, the finest that some vendors accept."""
        if self.window:
            bound = self.window.start
        elif self.watermark:
            bound = self.watermark - self.overlap
        else:
            bound = self.first_day
        return max(bound, self.first_day).replace(second=0, microsecond=0)

    @property
    def stamp(self) -> datetime | None:
        """The ``extracted_at`` of this sync's rows, by the source's clock.

        Never earlier than that of the stored rows, even when the clock steps back: a build reads the rows from the
        newest ``extracted_at`` that it knows on, and would miss earlier ones.
        """
        return max((at for at in (self.started_at, self.newest_stored) if at), default=None)

    @property
    def has_rows(self) -> bool:
        """Whether any row is new or changed, and must be written."""
        return any(seen.new or seen.changed for seen in self.seen.values())

    @property
    def until(self) -> datetime | None:
        """The upper bound of a window, exclusive; None for a live sync."""
        return self.window.end if self.window else None

    @property
    def is_first(self) -> bool:
        """Whether this is a live sync, and no live sync was ever complete."""
        return self.window is None and self.watermark is None

    def conclude(self) -> None:
        """Move the watermark to this sync's start, since everything was read; it is stored with the rows.

        It does not move in a window, in a sync of some tables only, and after a stream ended early (see :meth:`fail`).
        """
        if self.window is None and self.reads_all and not self.failures:
            self.watermark_to = self.started_at

    def fail(self, error: ImpulsumError) -> None:
        """Record that a stream ended early: its rows are loaded, the watermark stays, and the sync raises the error."""
        self.failures.append(error)

    def due(self, table: Table) -> bool:
        """Whether to read a slow reference table now; the same answer for the whole sync."""
        if table.name not in self.refreshed:
            at = self.stored.refreshed_at(table.name)
            always = self.census or self.is_first or self.window is not None or self.refresh
            self.refreshed[table.name] = bool(always) or at is None or datetime.now(UTC) - at >= self.reference_age
        return self.refreshed[table.name]

    def stream(self, name: str) -> Stream:
        """The record of one stream, made when first asked for."""
        return self.streams.setdefault(name, Stream())

    def parse(
        self, table: Table, to_row: Callable[[Any], Mapping[str, Any]], documents: Iterable[Any]
    ) -> Iterator[Mapping[str, Any]]:
        """The documents as rows. A document that does not fit is quarantined; the others are not affected."""
        for document in documents:
            try:
                yield to_row(document)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                reason = f"{type(error).__name__}: {error}"
                kept = json.dumps(document, default=repr)[:1_000_000]
                self.quarantined.append(Quarantined(table.name, reason, kept))

    def changed_rows(
        self, table: Table, rows: Iterable[Mapping[str, Any]], *, shared: bool = False, more: bool = False
    ) -> Iterator[pa.Table]:
        """The rows that are new or changed, as one Arrow table; nothing when there are none.

        A sync must yield each id once. Within one call this method drops repeated ids.

        Args:
            table: the table of the rows.
            rows: dicts of ``id``, the table's own columns and ``payload``, a document; also ``hashed`` where a row is
                compared by something other than its payload.
            more: more rows of the table follow, so these may wait for them: dlt checks the schema of each piece that
                it gets, which takes as long as parsing fifty issues.
            shared: an id may come in several calls (a link is in both its issues): only the first counts.
        """
        parsed = self._with_hashes(rows)
        if shared:
            met = self._met.setdefault(table.name, set())
            parsed = [row for row in parsed if row["id"] not in met]
            met.update(row["id"] for row in parsed)
        stored = self.stored.hashes(table.name, [row["id"] for row in parsed]) if parsed else {}
        kept = [row for row in parsed if stored.get(row["id"]) != row["row_hash"]]
        changed = sum(row["id"] in stored for row in kept)
        seen = self.seen.setdefault(table.name, Seen())
        seen.new += len(kept) - changed
        seen.changed += changed
        seen.unchanged += len(parsed) - len(kept)
        self.stream(table.name).rows += len(parsed)
        waiting = self._waiting.setdefault(table.name, [])
        waiting += kept
        if waiting and (not more or len(waiting) >= PIECE_ROWS):
            yield from self._pieces(table, waiting)

    def replace_table(
        self, table: Table, rows: Iterable[Mapping[str, Any]], *, unreachable: bool = False
    ) -> Iterator[pa.Table]:
        """Like :meth:`changed_rows`, for a table that was read completely: stored rows not among these are gone."""
        documents = list(rows)
        yield from self.changed_rows(table, documents)
        self.found_all(Scan(table.name, {row["id"] for row in documents}, unreachable=unreachable))
        self.stream(table.name).ended = "complete"

    def found_all(self, scan: Scan) -> None:
        """Record a scan. A table without rows needs none: nothing can be missing from it."""
        if not self.stored.is_empty(scan.table):
            self.scans.append(scan)

    def _with_hashes(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows with their payload as JSON (UTF-8) and its hash, each id once (a vendor's page may repeat one)."""
        hashed_rows = {}
        for row in rows:
            payload = orjson.dumps(row["payload"])
            hashed = orjson.dumps(row["hashed"]) if "hashed" in row else payload
            digest = blake2b(hashed, digest_size=12).hexdigest()
            hashed_rows[row["id"]] = {**row, "payload": payload, "row_hash": digest}
        return list(hashed_rows.values())

    def _pieces(self, table: Table, rows: list[dict[str, Any]]) -> Iterator[pa.Table]:
        """The rows as one Arrow table. Empties the list."""
        import pyarrow as pa

        # Columns with one value for the whole sync are built without reading each row.
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
