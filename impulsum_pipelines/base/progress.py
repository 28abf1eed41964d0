"""Progress of long work, reported without knowing who watches.

A run that Dagster executes in this process is several calls away from the terminal that started it. So this module
keeps the callback: the command line sets it with :func:`reporting_to`, and the work gets it with :func:`reporter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Called with the name of a stage or stream, the number done so far, and the total when it is known.
Report = Callable[[str, int, int | None], None]

#: The stages of a sync. They are parts of a larger stage, the step of a run.
PARTS = ("extract", "normalize", "load")


def _nobody(stage: str, done: int, total: int | None) -> None:
    """Drop the report, as a scheduled run does."""


# A module variable and not a context variable: Dagster executes steps in its own threads.
_watcher: Report = _nobody


def reporter() -> Report:
    """The callback that :func:`reporting_to` set for this process, or one that does nothing."""
    return _watcher


@contextmanager
def reporting_to(watcher: Report) -> Iterator[None]:
    """Send every report of this process to ``watcher`` until the block ends."""
    global _watcher  # noqa: PLW0603
    before, _watcher = _watcher, watcher
    try:
        yield
    finally:
        _watcher = before
