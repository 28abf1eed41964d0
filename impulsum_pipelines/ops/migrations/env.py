"""Alembic's environment: runs the revisions on the caller's connection, in the caller's transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from impulsum_pipelines.ops.schema import Instant, metadata


def _as_written(kind: str, item: Any, _autogenerate: Any) -> str | Literal[False]:
    """How a new revision writes our own type."""
    return "Instant" if kind == "type" and isinstance(item, Instant) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by rewriting it
    render_item=_as_written,
)
with context.begin_transaction():
    context.run_migrations()
