"""The result of one sync: rows per table, streams, cost. It goes to the history, ``raw.syncs`` and asset metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from impulsum_pipelines.loading.scopes import ScopeRows
from impulsum_pipelines.sources.base.sync import Stream, Window


@dataclass
class RowCounts:
    """Rows of one table that one sync wrote, left unchanged or marked."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    unreachable: int = 0


@dataclass(frozen=True)
class LoadResult:
    """What one sync did, and what it cost. Times are UTC; ``watermark_*`` are by the source's clock."""

    sync_id: str
    source: str
    mode: str
    census: bool
    window: Window | None
    watermark_from: datetime | None
    watermark_to: datetime | None
    started_at: datetime
    finished_at: datetime
    rows: dict[str, RowCounts]
    streams: dict[str, Stream]
    requests: int
    limit_waits: int
    limit_wait_seconds: float
    extract_seconds: float
    normalize_seconds: float
    load_seconds: float
    scopes: tuple[ScopeRows, ...] = ()
