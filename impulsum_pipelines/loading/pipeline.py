"""The dlt pipeline of one sync, and the one place for what works around dlt.

Each sync has a new pipeline, with settings that keep a load of any length within the same memory.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading.raw import RawFileRows
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.registry import tables

#: Memory that DuckDB may use for a first load, which streams into empty tables, and for a merge, which must keep what
#: it replaces in memory. Without a limit a first load of 22,000 issues took 1.6 GB.
FIRST_LOAD_MEMORY, MERGE_MEMORY = "64MB", "1GB"

#: Settings of dlt and of Arrow, which dlt uses; the environment may override them. Documents are wide, and DuckDB reads
#: a whole Parquet row group at once: small groups, in files of a few MB, keep any load within the same memory.
DLT_DEFAULTS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # The watermark is in our own table `state`, which is committed together with the rows.
    "RESTORE_FROM_DESTINATION": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    # dlt would keep a signal back until its step ends, and drop the last one: then closing the terminal or stopping
    # the run would have no effect.
    "RUNTIME__INTERCEPT_SIGNALS": "false",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "250",
    "DATA_WRITER__ROW_GROUP_SIZE": "250",
    "DATA_WRITER__FILE_MAX_BYTES": "4000000",
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # Arrow's own pool keeps the memory of one piece
    "LOAD__RAISE_ON_MAX_RETRIES": "1",  # the destination is a file: what fails once fails again
}


@contextmanager
def fresh_pipeline(home: Home, source: str, stored: RawFileRows, sync_id: str) -> Iterator[Any]:
    """A dlt pipeline with its own working folder: it takes up nothing of an earlier sync, and leaves nothing behind."""
    for name, value in DLT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    import dlt

    scratch = home.work / source
    shutil.rmtree(scratch, ignore_errors=True)
    is_first = all(stored.is_empty(table.name) for table in tables(source))
    pipeline = dlt.pipeline(
        pipeline_name=source,
        pipelines_dir=str(scratch / sync_id),
        destination=destination(home, source, memory=FIRST_LOAD_MEMORY if is_first else MERGE_MEMORY),
        dataset_name="raw",
    )
    try:
        yield pipeline
    finally:
        pipeline.deactivate()
        shutil.rmtree(scratch, ignore_errors=True)


def destination(home: Home, source: str, *, memory: str) -> Any:
    """The dlt destination of a source: its raw file.

    Args:
        home: the state folder.
        source: the source.
        memory: how much DuckDB may use while it loads, such as ``1GB``.
    """
    from dlt.destinations import duckdb
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

    home.raw(source).parent.mkdir(parents=True, exist_ok=True)
    credentials = DuckDbCredentials(str(home.raw(source)))
    credentials.global_config = {
        "memory_limit": memory,
        "preserve_insertion_order": False,  # means nothing in a raw table, and costs memory
        "write_buffer_row_group_count": 1,
        "enable_external_file_cache": False,  # each Parquet file is read once
        "threads": 1,  # each further thread keeps its own row group: 40 MB more at the peak, little faster
    }
    made = duckdb(credentials)
    known = made.configuration(made.spec(credentials=credentials), accept_partial=True)
    capabilities = made.capabilities
    # dlt asks the destination thirty times per sync what it can do, and would read its configuration again each time.
    made.capabilities = lambda config=None, naming=None: capabilities(config or known, naming)
    return made


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


@contextmanager
def unwrapped_errors(source: str, stored: RawFileRows, sync: Sync) -> Iterator[None]:
    """Raise the error that stopped an extraction, without what dlt wraps around it.

    Raises:
        ImpulsumError: the cause. For a token that worked before, the message says until when.
    """
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if cause is None:
            raise
        if cause.category is Category.AUTHENTICATION and (last := stored.last_success()):
            raise ImpulsumError(
                Category.AUTHENTICATION,
                f"{sync.site} no longer accepts the token of {source}, which worked until {last:%Y-%m-%d %H:%M} UTC",
                where=cause.where,
                next_step="it was revoked or has expired: make a new token and set it. The next pull then catches up "
                "from the watermark.",
            ) from None
        raise cause from None


def _cause(error: BaseException | None) -> ImpulsumError | None:
    while error is not None and not isinstance(error, ImpulsumError):
        error = error.__cause__ or error.__context__
    return error
