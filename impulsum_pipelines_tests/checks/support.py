"""One check, evaluated on a small raw file that is written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.findings import Finding, Raw
from impulsum_pipelines.checks.source import source_checks
from impulsum_pipelines.loading.raw import ensure_tables
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import SOURCES

_SOURCES = {source.name: source for source in SOURCES}


def home_with(**contents: str) -> Home:
    """The home of the environment, with a raw file of each named source, filled by its statements."""
    home = Home.of(load_settings())
    for source, statements in contents.items():
        home.raw(source).parent.mkdir(parents=True, exist_ok=True)
        home.raw(source).write_bytes(_raw_file(source, statements))
    return home


@cache
def _raw_file(source: str, statements: str) -> bytes:
    """A raw file filled by statements, to copy: to make one takes longer than a check."""
    with TemporaryDirectory() as folder:
        home = Home.of(Settings(impulsum_home=Path(folder)))
        ensure_tables(home, source)
        with home.write_raw(source) as connection:
            connection.execute(statements)
        return home.raw(source).read_bytes()


def evaluate(source: str, home: Home, name: str, table: str, now: datetime | None = None) -> Finding:
    """The finding of one check of a source on its raw file."""
    [check] = [check for check in source_checks(_SOURCES[source]) if (check.name, check.table) == (name, table)]
    with home.read_raw(source) as connection:
        assert connection is not None
        return check.evaluate(Raw(connection, _SOURCES[source], load_settings(), now or datetime.now(UTC)))
