"""What Alembic runs: the revisions, on the connection and in the transaction of whoever asks."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from impulsum_pipelines.ops.schema import Instant, metadata


def _as_written(kind: str, item: Any, _autogenerate: Any) -> str | Literal[False]:
    """How a new revision names our own type."""
    return "Instant" if kind == "type" and isinstance(item, Instant) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by writing it anew
    render_item=_as_written,
)
with context.begin_transaction():
    context.run_migrations()
