"""How the ops store's tables came to be what :mod:`impulsum_pipelines.ops.schema` says, one revision a change.

After a change of the schema ``python -m impulsum_pipelines.ops.migrations "what changed"`` writes the next revision;
read it, and name it in :data:`HEAD`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.config import Config

#: The newest revision. Stands here so that a store that has it is recognized without importing Alembic.
HEAD = "0004"

_version = sa.table("alembic_version", sa.column("version_num", sa.Text))


class NewerStoreError(Exception):
    """The store was made by a later version of this package."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        super().__init__(revision)


def bring_up_to_date(connection: sa.Connection) -> None:
    """Create the tables, or change those of an older store, in the caller's transaction.

    The caller sees to it that nobody else does the same.

    Raises:
        NewerStoreError: the store has a revision that is not known here.
    """
    revision = held_revision(connection)
    if revision == HEAD:
        return
    from alembic import command
    from alembic.script import ScriptDirectory

    config = configuration(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerStoreError(revision)
    command.upgrade(config, HEAD)


def configuration(connection: sa.Connection) -> Config:
    """Alembic's configuration for a store; there is no file of it, so it leaves the process's loggers alone."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "impulsum_pipelines.ops:migrations")
    config.attributes["connection"] = connection
    return config


def held_revision(connection: sa.Connection) -> str | None:
    """The revision of a store; None for one that is empty."""
    if not sa.inspect(connection).has_table(_version.name):
        return None
    return connection.execute(sa.select(_version.c.version_num)).scalar()
