"""Analysts read while versions are published: no error, one version per connection. ``make soak`` uses real builds."""

from __future__ import annotations

from pathlib import Path

from impulsum_pipelines.base.home import connect
from impulsum_pipelines.publishing.publish import publish
from impulsum_pipelines_tests.publishing import warehouse
from impulsum_pipelines_tests.publishing.readers import READERS, soak


def test_readers_are_never_disturbed(tmp_path: Path) -> None:
    published, readers = soak(tmp_path, versions=5)
    assert published >= 5 and len(readers) == READERS
    for found in readers:
        assert (found.errors, found.mixed) == ([], 0)
        assert found.queries >= len(found.versions) >= 5, "it did not see the file change so often"


def test_open_connection_keeps_its_version(tmp_path: Path) -> None:
    settings = warehouse.settings_at(tmp_path)
    warehouse.build(tmp_path, 1)
    path = publish(settings).path
    with connect(path, read_only=True) as early:
        warehouse.build(tmp_path, 2)
        publish(settings)
        assert early.execute("select max(generation) from core.issues").fetchall() == [(1,)]
    assert warehouse.generations(path) == {(2, 2)}
