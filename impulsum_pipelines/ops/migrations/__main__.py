"""Write the next revision: the difference between the schema and the tables that the revisions create."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from alembic import command

from impulsum_pipelines.ops.migrations import HEAD, alembic_config, bring_up_to_date


def main(message: str) -> None:
    """Compare the schema with a new store, and write the difference as a revision."""
    with TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{Path(folder) / 'ops.sqlite'}")
        with engine.begin() as connection:
            bring_up_to_date(connection)
            command.revision(alembic_config(connection), message, autogenerate=True, rev_id=f"{int(HEAD) + 1:04}")
        engine.dispose()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or sys.exit('usage: python -m impulsum_pipelines.ops.migrations "what changed"'))
