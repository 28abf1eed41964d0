"""How ``dagster dev`` is started: with the settings of the command line, from any folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

from impulsum_pipelines.cli.runs import dagster_home
from impulsum_pipelines.settings import Settings


class Start(NamedTuple):
    """What to start.

    Args:
        folder: the working folder.
        environment: every variable.
        command: the program and its arguments.
    """

    folder: Path
    environment: dict[str, str]
    command: list[str]


def dagster_dev(settings: Settings, port: int) -> Start:
    """``dagster dev`` for the code location of this package.

    It runs in DAGSTER_HOME: Dagster prefers the file ``.env`` of its working folder to the environment, and the command
    line has read the user's file already. So relative paths in settings are made absolute.
    """
    folder = dagster_home(settings)
    paths = {
        name: str(value.expanduser().absolute())
        for name in settings.variables()
        if isinstance(value := settings.value(name), Path)
    }
    return Start(
        folder,
        {**os.environ, **paths, "DAGSTER_HOME": str(folder)},
        [
            str(Path(sys.executable).with_name("dagster")), "dev",
            "-h", "127.0.0.1", "-p", str(port), "-m", "impulsum_pipelines.definitions",
        ],
    )  # fmt: skip
