"""Five processes query the published file while new versions replace it.

Short, and without a load or dbt; ``make soak`` runs the whole pipeline beside readers.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from impulsum_pipelines.publishing.publish import publish
from impulsum_pipelines_tests.publishing import warehouse

READERS = 5
_MOST_SECONDS = 120


@dataclass
class Readings:
    """What one reader found.

    Args:
        queries: queries that were answered.
        versions: versions that it saw.
        mixed: answers that were of more than one version.
        errors: errors of all other queries.
    """

    queries: int = 0
    versions: set[tuple[int, int]] = field(default_factory=set)
    mixed: int = 0
    errors: list[str] = field(default_factory=list)


def soak(root: Path, versions: int) -> tuple[int, list[Readings]]:
    """Build and publish in a loop until each reader has seen so many versions, or for two minutes.

    Returns:
        How many versions were published, and what each reader found.
    """
    settings = warehouse.settings_at(root, keep=2)
    warehouse.build(root, 1)
    path = publish(settings).path
    # Forked from one process that has imported everything: importing took longer than the reading.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    readers, seen = [], dict.fromkeys(range(READERS), 0)
    for _ in range(READERS):
        ours, theirs = context.Pipe()
        context.Process(target=_read, args=(path, theirs), daemon=True).start()
        theirs.close()
        readers.append(ours)
    published, end = 1, time.monotonic() + _MOST_SECONDS
    while min(seen.values()) < versions and time.monotonic() < end:
        published += 1
        warehouse.build(root, published, rows=20_000)
        publish(settings)
        for number, reader in enumerate(readers):
            while reader.poll():
                seen[number] = reader.recv()
    for reader in readers:
        reader.send("stop")
    return published, [_last(reader) for reader in readers]


def _read(path: Path, test: Connection) -> None:
    """Open short connections in a loop, as dashboards do, until the test says stop; tell it of each new version."""
    found = Readings()
    while not test.poll():
        try:
            generations = warehouse.generations(path)
        except Exception as error:  # noqa: BLE001
            found.errors.append(repr(error))
            continue
        found.queries += 1
        found.mixed += len(generations) != 1 or any(low != high for low, high in generations)
        if not generations <= found.versions:
            found.versions |= generations
            test.send(len(found.versions))
    test.send(found)


def _last(reader: Connection) -> Readings:
    """What the reader sends at its end."""
    while not isinstance(found := reader.recv(), Readings):
        pass
    return found
