"""Running Dagster: the instance configuration, its installation into ``DAGSTER_HOME``, and the services of a server.

The services are in ``systemd/`` and ``docker/``; ``docs/production.md`` says how to set them up.
"""

from __future__ import annotations

import os
from pathlib import Path

#: Name of the code location in every workspace file, and so in the history.
LOCATION = "impulsum_pipelines.definitions"

#: The configuration for one machine, with SQLite beside the data; and the addition for PostgreSQL.
PROFILE = Path(__file__).parent / "dagster.yaml"
ON_POSTGRESQL = Path(__file__).parent / "storage.postgres.yaml"


def install(dagster_home: Path) -> Path:
    """Create ``dagster_home`` with our ``dagster.yaml``, or update that file. A user's own file is kept.

    With ``DAGSTER_POSTGRES_URL`` in the environment, Dagster's storage becomes that database, and stays it: a process
    without the variable does not switch back to SQLite. The file does not contain the address, so every process that
    uses the home needs the variable.

    Returns:
        The path of the configuration file.
    """
    dagster_home.mkdir(parents=True, exist_ok=True)
    config = dagster_home / PROFILE.name
    present = config.read_text() if config.exists() else None
    profile, storage = PROFILE.read_text(), ON_POSTGRESQL.read_text()
    if not os.environ.get("DAGSTER_POSTGRES_URL") and (present is None or "\nstorage:" not in present):
        storage = ""
    first_line = profile.splitlines()[0]  # marks a file that this package keeps up to date
    if present is None or (present != profile + storage and present.startswith(first_line)):
        partial = config.with_suffix(f".{os.getpid()}.partial")  # another process may do the same at this moment
        partial.write_text(profile + storage)
        partial.replace(config)
    return config
