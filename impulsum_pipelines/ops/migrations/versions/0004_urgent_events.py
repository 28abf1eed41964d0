"""An index of urgent events: each tick of the sensor ``inbox`` reads those of the last hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Upgrade to this revision."""
    urgent = sa.text("priority in ('P0', 'P1')")
    op.create_index("ix_events_urgent", "events", ["committed_at"], sqlite_where=urgent, postgresql_where=urgent)
