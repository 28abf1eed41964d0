"""A load without dlt's normalize and load, for tests of what a source reads.

A sync is the same apart from this: the source is iterated as any dlt user may iterate it, and its Arrow tables are
merged on ``id`` into the raw file by two statements. Normalize and load are the same for every source and take more
than half of a first sync of a small site, so they are proven apart (``sources/test_loads.py``), and not by each test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.loading import run_load
from impulsum_pipelines.loading.raw import RawFileRows


class QuickPipeline:
    """The three steps of a dlt pipeline that ``run_load`` calls."""

    def __init__(self, home: Home, source: str) -> None:
        self._file = home.raw(source)
        self._pieces: list[tuple[str, Any]] = []

    def extract(self, data: Any, **_: object) -> None:
        """Iterate the source."""
        for resource in data.selected_resources.values():
            resource.add_map(_named(resource.table_name))
        self._pieces += data

    def normalize(self) -> None:
        """The rows are Arrow tables of the declared schema already."""

    def load(self, **_: object) -> None:
        """Replace the rows by ``id``."""
        with connect(self._file, read_only=False) as connection:
            for table, piece in self._pieces:
                connection.register("piece", piece)
                connection.execute(f"delete from raw.{table} where id in (select id from piece)")
                connection.execute(f"insert into raw.{table} by name select * from piece")


def load_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the syncs of this process load so."""
    monkeypatch.setattr(run_load, "fresh_pipeline", _quick_pipeline)


def _named(table: str) -> Callable[[Any], tuple[str, Any]]:
    return lambda piece: (table, piece)


@contextmanager
def _quick_pipeline(home: Home, source: str, stored: RawFileRows, sync_id: str) -> Iterator[QuickPipeline]:
    yield QuickPipeline(home, source)
