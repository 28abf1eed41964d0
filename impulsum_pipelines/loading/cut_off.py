"""Loads that were cut off: killed after some tables were written, before the sync's books were.

A sync writes its row in ``syncs`` with the status ``loading`` first and its books last. Whoever finds ``loading`` there
finds a load that was cut off. It counts as none: the next sync starts from where that one started, and what it wrote
is read again (:data:`impulsum_pipelines.sources.base.sync.NOT_CUT_OFF`) until a sync that reads as much has ended well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from impulsum_pipelines.sources.base.sync import Sync

if TYPE_CHECKING:
    import duckdb


def settle(connection: duckdb.DuckDBPyConnection, sync: Sync) -> None:
    """Strike the loads that this sync made good, and keep the others as ``cut off``; in the caller's transaction.

    A complete live sync reads again what a live one before it read, and a complete census what any did.
    """
    if sync.watermark_to:
        connection.execute(
            "delete from raw.syncs where status in ('loading', 'cut off') and sync_id <> ? "
            "and (? or (mode = 'live' and not census))",
            [sync.sync_id, sync.census],
        )
    connection.execute(
        "update raw.syncs set status = 'cut off' where status = 'loading' and sync_id <> ?", [sync.sync_id]
    )
