"""Syncs that stop where a kill may hit them: between two tables of a load, or before its metadata rows are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from dlt.common.storages import LoadStorage, ParsedLoadJobFileName
from dlt.load.load import Load

from impulsum_pipelines.loading import run_load as loading
from impulsum_pipelines_tests.quick_load import QuickPipeline


class StoppedError(BaseException):
    """No code handles it: like a kill, it leaves the file as it is."""


@contextmanager
def stopped_after(*tables: str, files: int | None = None) -> Iterator[None]:
    """The sync inside writes only these tables (the first ``files`` files of them), and ends there.

    It stops dlt's load, and likewise a quick one. The caller asserts what that leaves missing.
    """
    listed, done = LoadStorage.list_new_jobs, set[str]()
    load = QuickPipeline.load

    def chosen(self: Any, load_id: str) -> list[str]:
        jobs = [job for job in listed(self, load_id) if ParsedLoadJobFileName.parse(job).table_name in tables]
        if files is not None:
            done.update(sorted(set(jobs) - done)[: max(files - len(done), 0)])
            jobs = [job for job in jobs if job in done]
        return jobs

    def load_some(self: Any, **named: object) -> None:
        self._pieces = [(table, piece) for table, piece in self._pieces if table in tables][:files]
        load(self, **named)
        _stop()

    with pytest.MonkeyPatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(LoadStorage, "list_new_jobs", chosen)
        patch.setattr(Load, "complete_package", _stop)
        patch.setattr(QuickPipeline, "load", load_some)
        yield


@contextmanager
def stopped_before_metadata() -> Iterator[None]:
    """The sync inside writes every table, marks nothing as gone, and ends there."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(loading, "mark_gone", _stop)
        yield


def _stop(*_: object, **__: object) -> NoReturn:
    raise StoppedError
