"""How Dagster is run: the instance configuration, and its installation into ``DAGSTER_HOME``."""

from __future__ import annotations

import os
from pathlib import Path

#: The configuration of one machine, with SQLite beside the data; and what a server with PostgreSQL has besides.
PROFILE = Path(__file__).parent / "dagster.yaml"
ON_POSTGRESQL = Path(__file__).parent / "storage.postgres.yaml"


def install(dagster_home: Path) -> Path:
    """Make ``dagster_home`` usable as ``DAGSTER_HOME``; a ``dagster.yaml`` that is there already is kept.

    With ``DAGSTER_POSTGRES_URL`` in the environment, Dagster's storage is that database. The address itself is not
    written down: every process that uses the home needs the variable.

    Returns:
        The path of the configuration file.
    """
    dagster_home.mkdir(parents=True, exist_ok=True)
    config = dagster_home / PROFILE.name
    if not config.exists():
        storage = ON_POSTGRESQL.read_text() if os.environ.get("DAGSTER_POSTGRES_URL") else ""
        partial = config.with_suffix(".partial")
        partial.write_text(PROFILE.read_text() + storage)
        partial.replace(config)
    return config
