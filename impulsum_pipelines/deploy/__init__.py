"""How Dagster is run: the instance configuration, its installation into ``DAGSTER_HOME``, and the services of a server.

``systemd/`` and ``docker/`` hold the services, ``docs/production.md`` says how they are set up.
"""

from __future__ import annotations

import os
from pathlib import Path

#: The configuration of one machine, with SQLite beside the data; and what a server with PostgreSQL has besides.
PROFILE = Path(__file__).parent / "dagster.yaml"
ON_POSTGRESQL = Path(__file__).parent / "storage.postgres.yaml"


def install(dagster_home: Path) -> Path:
    """Make ``dagster_home`` usable as ``DAGSTER_HOME``, or bring it up to date; a file of one's own is kept.

    With ``DAGSTER_POSTGRES_URL`` in the environment, Dagster's storage is that database, from now on: a process without
    the variable does not take it back. The address itself is not written down, so every process that uses the home
    needs the variable.

    Returns:
        The path of the configuration file.
    """
    dagster_home.mkdir(parents=True, exist_ok=True)
    config = dagster_home / PROFILE.name
    held = config.read_text() if config.exists() else None
    profile, storage = PROFILE.read_text(), ON_POSTGRESQL.read_text()
    if not os.environ.get("DAGSTER_POSTGRES_URL") and (held is None or "\nstorage:" not in held):
        storage = ""
    first_line = profile.splitlines()[0]  # says that the file follows this package
    if held is None or (held != profile + storage and held.startswith(first_line)):
        partial = config.with_suffix(f".{os.getpid()}.partial")  # others may do the same now
        partial.write_text(profile + storage)
        partial.replace(config)
    return config
