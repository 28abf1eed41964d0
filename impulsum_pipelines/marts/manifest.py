"""The manifest of the dbt project, parsed again only when a file of the project changed.

dagster-dbt's own ``prepare_if_dev()`` parses in the code server, in each run and in each step, for seconds each time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings

_INSTALLED = Path(__file__).parents[1] / "dbt_project"

#: The dbt project: beside the package in a checkout, inside the package when a wheel is installed.
PROJECT = _INSTALLED if _INSTALLED.exists() else Path(__file__).parents[2] / "dbt_project"

#: The dbt of this Python environment; the one on PATH may be another one, or missing.
DBT = Path(sys.executable).parent / "dbt"

_NOT_SOURCES = {"target", "logs"}

#: The project as dbt parsed it; dbt starts from this file the next time.
PARSED = "partial_parse.msgpack"


#: The folder of a home in which a build keeps its copies of the raw files.
COPIES = Path("work", "build")

#: Where dbt finds the files of a build, relative to the home in which it runs. dbt parses its project again, for many
#: seconds, when a path in the profile differs from the one it parsed with; relative paths are the same in every home.
PATHS = {"IMPULSUM_HOME": ".", "IMPULSUM_RAW": str(COPIES)}


def parsed_folder(project: Path = PROJECT) -> Path:
    """The folder of the parsed ``project``: its ``target``, where dbt's own commands put it, too.

    An installed project may be read-only, and several may share a home; theirs is in the home, by version.
    """
    if project != _INSTALLED:
        return project / "target"
    return Home.of(load_settings()).root / "dbt" / f"parsed-{version('impulsum-pipelines')}"


def fresh_manifest(project: Path = PROJECT) -> dict[str, Any]:
    """The manifest of ``project``, see :func:`manifest_text`."""
    parsed: dict[str, Any] = json.loads(manifest_text(project))
    return parsed


def manifest_text(project: Path = PROJECT) -> bytes:
    """The manifest of ``project`` as dbt wrote it. The project is parsed first if it changed.

    Safe to call from several processes at once: one of them parses, the others wait and read.

    Raises:
        ImpulsumError: of category configuration, with dbt's own words, when the project cannot be parsed.
    """
    manifest = parsed_folder(project) / "manifest.json"
    if not _is_fresh(manifest, project):
        from filelock import FileLock

        manifest.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(manifest.parent / ".parse.lock", timeout=300):
            if not _is_fresh(manifest, project):
                _parse(project)
    return manifest.read_bytes()


def _is_fresh(manifest: Path, project: Path) -> bool:
    return manifest.exists() and manifest.stat().st_mtime_ns >= _newest_change(project)


def _newest_change(project: Path) -> int:
    """Newest modification time of the project's files and folders, in ns; deleting a file changes its folder."""
    newest = 0
    for folder, names, files in os.walk(project):
        names[:] = [name for name in names if name not in _NOT_SOURCES and not name.startswith(".")]
        inside = files if Path(folder) == project else [".", *files]
        newest = max([newest, *(Path(folder, name).stat().st_mtime_ns for name in inside)])
    return newest


def _parse(project: Path) -> None:
    """Parse into a temporary folder and move the result into place, so that nobody reads half a manifest."""
    parsed_as_of = _newest_change(project)
    target = parsed_folder(project)
    with tempfile.TemporaryDirectory(dir=target, prefix="parse-") as scratch:
        if (target / PARSED).exists():
            shutil.copy(target / PARSED, scratch)
        command = [DBT, "--quiet", "parse", "--project-dir", project, "--profiles-dir", project]
        done = subprocess.run(
            [*map(str, command), "--target-path", scratch, "--log-path", scratch],
            env={**os.environ, **PATHS, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"dbt cannot parse its project: {(done.stdout + done.stderr).strip()}",
                next_step="correct the file that dbt names.",
            )
        for name in ("manifest.json", PARSED):
            # An edit during the parse is newer than this time, so the next call parses again.
            os.utime(Path(scratch, name), ns=(parsed_as_of, parsed_as_of))
            Path(scratch, name).replace(target / name)
