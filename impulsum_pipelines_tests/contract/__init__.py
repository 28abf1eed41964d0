"""What people and programs rely on, compared with ``contract.json``: ``python -m impulsum_pipelines_tests.contract``.

Tables with their columns, types and keys, asset keys, checks, jobs, schedules, sensors, settings, commands with their
options, exit codes, files, and a hash of the rows of each table. A change of one of these is a breaking change or a
feature: make it on purpose (``--write``) and give the reason in the changelog. A change of words, of modules or of
tests changes nothing here.

Everything is asked for at the doors that others use: the command line, the code location, the settings, the files in
``IMPULSUM_HOME``, dbt's manifest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

Contract = dict[str, Any]

#: Where it is written down.
FILE = Path(__file__).parents[1] / "contract.json"
#: How it is changed.
ON_PURPOSE = (
    "if this is on purpose: run `python -m impulsum_pipelines_tests.contract --write`, and give the reason in "
    "CHANGELOG.md"
)

#: The sections that the code declares, and those that need syncs and a build.
DECLARED = ("assets", "asset checks", "jobs", "schedules", "sensors", "settings", "commands")
BUILT = ("raw", "published", "rows", "files", "exit codes")
