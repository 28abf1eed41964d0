"""Which code runs: the version of the package, and the commit of its checkout."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

#: Name of the package as installed.
DISTRIBUTION = "impulsum-pipelines"


def code_version() -> str:
    """The installed version of this package."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"


def version_and_commit(checkout: Path = Path(__file__).parents[2]) -> str:
    """Such as ``0.1.0, commit 1a2b3c4d``, with ``and changes`` when files differ from it.

    Args:
        checkout: the folder of the package. If it is no git checkout, only the version is known.
    """
    installed = code_version()
    if not (checkout / ".git").exists():  # git would find a repository around it, of something else
        return installed
    # The services run as another user than the one who owns the checkout; git refuses that unless it is named safe.
    git = ["git", "-c", f"safe.directory={checkout}", "-C", str(checkout)]
    describe = [*git, "describe", "--always", "--exclude=*", "--abbrev=8", "--dirty= and changes"]
    try:
        found = subprocess.run(describe, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):  # there is no git, or it cannot read the checkout
        return installed
    return f"{installed}, commit {found.stdout.strip()}"
