"""Where things are that tests read beside the package; what is in ``SHARED`` is not on a user's machine."""

from __future__ import annotations

from pathlib import Path

#: The root of the repository.
ROOT = Path(__file__).resolve().parents[1]
#: Real data and the vendors' descriptions of their APIs. A test that finds none is skipped and says so.
SHARED = ROOT.parent / "shared"
