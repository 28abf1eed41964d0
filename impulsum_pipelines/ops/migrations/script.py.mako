"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from impulsum_pipelines.ops.schema import Instant

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Upgrade to this revision."""
    ${upgrades if upgrades else "pass"}
