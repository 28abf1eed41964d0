"""The dlt pipeline of one sync: new each time, with settings that keep a load of any length within the same memory."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from impulsum_pipelines.base.home import FIRST_LOAD_MEMORY, MERGE_MEMORY, Home
from impulsum_pipelines.loading.raw import HeldRows
from impulsum_pipelines.sources.registry import tables

#: Settings of dlt, and of Arrow under it, where the environment does not say otherwise. Documents are wide, and DuckDB
#: reads a Parquet row group at once: small groups, in files of a few MB, keep a load of any length within the same
#: memory.
DLT_DEFAULTS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RESTORE_FROM_DESTINATION": "false",  # the watermark is in our books, which commit together with what it says
    "RUNTIME__LOG_LEVEL": "ERROR",
    # dlt would keep a signal to itself until its step ends, and forget the one that comes last: a terminal that goes
    # away, or a run that is stopped, was then not heard at all.
    "RUNTIME__INTERCEPT_SIGNALS": "false",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "250",
    "DATA_WRITER__ROW_GROUP_SIZE": "250",
    "DATA_WRITER__FILE_MAX_BYTES": "4000000",
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # Arrow's own keeps what it was given for one piece
    "LOAD__RAISE_ON_MAX_RETRIES": "1",  # the destination is a file: what fails once fails again
}


@contextmanager
def fresh_pipeline(home: Home, source: str, held: HeldRows, sync_id: str) -> Iterator[Any]:
    """A dlt pipeline with a working folder of its own. Nothing of an earlier sync is taken up, and nothing is left."""
    for name, value in DLT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    import dlt

    scratch = home.work / source
    shutil.rmtree(scratch, ignore_errors=True)
    is_first = all(held.is_empty(table.name) for table in tables(source))
    pipeline = dlt.pipeline(
        pipeline_name=source,
        pipelines_dir=str(scratch / sync_id),
        destination=home.destination(source, memory=FIRST_LOAD_MEMORY if is_first else MERGE_MEMORY),
        dataset_name="raw",
    )
    try:
        yield pipeline
    finally:
        pipeline.deactivate()
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def no_cycle_search() -> Iterator[None]:
    """Keep Python from searching for cycles: documents have none, and the search took a fifth of an extraction."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
