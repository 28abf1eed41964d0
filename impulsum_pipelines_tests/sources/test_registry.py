"""What asking about sources costs: every run and every command asks which tables there are."""

from __future__ import annotations

import subprocess
import sys

ASK = """
import sys
from impulsum_pipelines.sources.registry import missing_settings, tables
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import SOURCES

assert all(tables(source.name) and missing_settings(source.name, Settings()) for source in SOURCES)
heavy = {"dlt", "pyarrow", "pandas", "duckdb", "requests", "dagster"} & set(sys.modules)
assert not heavy, heavy
"""


def test_asking_for_the_tables_of_a_source_loads_none_of_what_reads_it() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
