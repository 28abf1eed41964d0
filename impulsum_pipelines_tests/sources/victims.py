"""Syncs that kill themselves with kill -9 at a chosen point, each in its own process.

The processes are forked from one that has imported everything, once a worker: importing took longer than the sync.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from dlt.common.storages.load_package import PackageStorage

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading import run_load as loading
from impulsum_pipelines.loading.raw import ensure_tables, refuse_half_loaded
from impulsum_pipelines.settings import load_settings

#: Points in a load after which a part of it is in the raw file.
HALF_LOADED = ("first table loaded", "rows loaded, metadata not", "metadata written, not committed")


def kill(source: str, point: str, *, after: int = 0, first: Callable[[], None] | None = None) -> None:
    """Pull the source with the settings of the environment, and die at a point.

    Args:
        source: what to pull.
        point: one of ``HALF_LOADED``; or the stage or stream whose report kills.
        after: the report kills when at least so much is done.
        first: called in that process before the sync.

    Raises:
        AssertionError: the sync did not die, or left another state than a cut-off sync.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    victim = context.Process(target=_pull, args=(source, point, after, first, dict(os.environ)))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL, f"{source} ended with {victim.exitcode} instead of dying at {point}"
    ensure_tables(Home.of(load_settings()), source)
    try:
        refuse_half_loaded(Home.of(load_settings()), source)
        refused = False
    except ImpulsumError as error:
        refused = "cut off half-way" in str(error)
    assert refused == (point in HALF_LOADED)


def _pull(
    source: str, point: str, after: int, first: Callable[[], None] | None, environment: Mapping[str, str]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    if first:
        first()
    if point == "first table loaded":
        _die_in_the_load()
    elif point == "rows loaded, metadata not":
        loading.mark_gone = _die
    elif point == "metadata written, not committed":
        loading._outcome_row = _die
    try:
        loading.run_load(source, load_settings(), progress=lambda *report: _die_at(point, after, *report))
    except BaseException:
        traceback.print_exc()
        raise


def _die_at(point: str, after: int, stage: str, done: int, total: int | None) -> None:
    if stage == point and done >= after:
        _die()


def _die_in_the_load() -> None:
    """Between two files of the load, when at least one table was written."""
    complete, written = PackageStorage.complete_job, []

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        result = complete(self, *arguments, **named)
        written.append(1)
        if len(written) == 2:
            _die()
        return result

    PackageStorage.complete_job = counted


def _die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")
