"""Folders that tests read beside the package; a user's machine does not have ``SHARED``."""

from __future__ import annotations

from pathlib import Path

#: The root of the repository.
ROOT = Path(__file__).resolve().parents[1]
#: Real data and the vendors' descriptions of their APIs. A test that finds no data is skipped with a reason.
SHARED = ROOT.parent / "shared"
