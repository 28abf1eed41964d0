"""Where long work reports how far it is, without knowing who watches.

A run that Dagster executes in this process is several calls away from the terminal that asked for it. So the watcher
is held here: the command line sets it with :func:`reporting_to`, and the work asks for it with :func:`reporter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Called with a stage or stream name, what is done so far, and the total when it is known.
Report = Callable[[str, int, int | None], None]


def _nobody(stage: str, done: int, total: int | None) -> None:
    """Report to nobody: what a scheduled run does."""


# A plain module variable and not a context variable: Dagster executes steps in threads of its own.
_watcher: Report = _nobody


def reporter() -> Report:
    """The callback of whoever watches this process, or one that does nothing."""
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
