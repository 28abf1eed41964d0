"""A raw table's declaration as dlt hints: one way for every source to land."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sources.table import Table

_DLT_TYPES = {"text": "text", "json": "json", "bool": "bool", "int": "bigint", "double": "double",
              "timestamp": "timestamp", "date": "date"}  # fmt: skip


def hints(table: Table) -> dict[str, Any]:
    """Keyword arguments of ``dlt.resource`` and ``dlt.transformer`` for a table: merge on ``id``, typed columns."""
    return {
        "table_name": table.name,
        "name": table.name,
        "primary_key": "id",
        "write_disposition": "merge",
        "columns": {
            column.name: {"data_type": _DLT_TYPES[column.type], "nullable": column.name != "id"}
            for column in table.all_columns
        },
    }
