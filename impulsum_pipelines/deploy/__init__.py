"""How Dagster is run: the instance configuration, and its installation into ``DAGSTER_HOME``."""

from __future__ import annotations

import shutil
from pathlib import Path

#: The configuration of the embedded profile.
PROFILE = Path(__file__).parent / "dagster.yaml"


def install(dagster_home: Path) -> Path:
    """Make ``dagster_home`` usable as ``DAGSTER_HOME``; a ``dagster.yaml`` that is there already is kept.

    Returns:
        The path of the configuration file.
    """
    dagster_home.mkdir(parents=True, exist_ok=True)
    config = dagster_home / PROFILE.name
    if not config.exists():
        shutil.copyfile(PROFILE, config)
    return config
