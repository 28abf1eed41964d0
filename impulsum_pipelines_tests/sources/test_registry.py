"""Asking which sources there are is cheap, and a source without its settings says what to set."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.registry import missing_settings
from impulsum_pipelines.tiers import SOURCES

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


@pytest.mark.parametrize("source", [source.name for source in SOURCES])
def test_a_client_without_its_settings_is_refused_and_says_what_to_set(source: str) -> None:
    settings = load_settings()
    with pytest.raises(ImpulsumError, match=f"{source} is off") as failure:
        import_module(f"impulsum_pipelines.sources.{source}.source").open_client(settings)
    assert failure.value.category is Category.CONFIGURATION
    assert missing_settings(source, settings)
    assert all(name in failure.value.what for name in missing_settings(source, settings))
