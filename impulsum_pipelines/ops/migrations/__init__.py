"""Alembic revisions that create the tables of :mod:`impulsum_pipelines.ops.schema`, one revision per change.

After a change of the schema, run ``python -m impulsum_pipelines.ops.migrations "what changed"``. It writes the next
revision; review it, and set :data:`HEAD` to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config

#: The newest revision. It stands here so that an up-to-date store is recognized without importing Alembic.
HEAD = "0004"

_version = sa.table("alembic_version", sa.column("version_num", sa.Text))


class NewerStoreError(Exception):
    """The store was made by a later version of this package."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        super().__init__(revision)


def bring_up_to_date(connection: sa.Connection) -> None:
    """Create the tables, or migrate those of an older store, in the caller's transaction.

    The caller ensures that no other process does the same at the same time.

    Raises:
        NewerStoreError: the store has a revision that this version does not know.
    """
    revision = stored_revision(connection)
    if revision == HEAD:
        return
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerStoreError(revision)
    command.upgrade(config, HEAD)


def alembic_config(connection: sa.Connection) -> Config:
    """Alembic's configuration for a store. It has no file, so Alembic does not change the process's loggers."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "impulsum_pipelines.ops:migrations")
    config.attributes["connection"] = connection
    return config


def stored_revision(connection: sa.Connection) -> str | None:
    """The revision of a store; None for an empty one."""
    if not sa.inspect(connection).has_table(_version.name):
        return None
    return connection.execute(sa.select(_version.c.version_num)).scalar()
