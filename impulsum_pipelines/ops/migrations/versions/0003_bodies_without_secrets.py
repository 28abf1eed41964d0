"""The comment on an event's body; SQLite has no comments."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Upgrade to this revision."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("events", "body", comment="The JSON as it was received; secrets in it are struck out.")
