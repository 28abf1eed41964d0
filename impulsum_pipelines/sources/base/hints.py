"""A raw table's declaration as dlt hints: one way for every source to land."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sources.base.sync import Held
from impulsum_pipelines.sources.base.table import Table


def hints(table: Table, held: Held) -> dict[str, Any]:
    """Keyword arguments of ``dlt.resource`` and ``dlt.transformer`` for a table: merge on ``id``.

    Columns are not repeated here: the Arrow schema of the rows has them, the raw file was made from the same
    declaration, and dlt would validate every hint again for every piece of data.

    A table that holds nothing is appended to: a first load then streams, where a merge would hold every document
    at once. A first load that is killed half-way is merged by the next, because the table holds something by then.
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
        "write_disposition": "append" if held.is_empty(table.name) else merge,
    }
