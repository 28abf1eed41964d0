"""The dlt hints of a raw table: every source loads its tables the same way."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sources.base.sync import StoredRows
from impulsum_pipelines.sources.base.table import Table


def hints(table: Table, stored: StoredRows) -> dict[str, Any]:
    """Keyword arguments of ``dlt.resource`` and ``dlt.transformer`` for a table: merge on ``id``.

    Columns are not repeated here: the Arrow schema of the rows has them, the raw file was made from the same
    declaration, and dlt would validate every hint again for every piece of data.

    Rows of an empty table are appended, so that a first load streams; a merge would keep every document in memory at
    once. When a first load is killed half-way, the next one merges, because the table has rows by then.
    """
    merge = {
        "disposition": "merge",
        "strategy": "delete-insert",
        "deduplicated": True,
    }  # Sync.changed_rows gives ids once
    return {
        "table_name": table.name,
        "name": table.name,
        "primary_key": "id",
        "write_disposition": "append" if stored.is_empty(table.name) else merge,
    }
