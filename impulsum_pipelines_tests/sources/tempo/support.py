"""A sync of Tempo through the public door, and what is held afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines_tests.sources.pulls import Pulls

NOW = "2026-11-01T12:00:00Z"

tempo = Pulls("tempo")
sync, held, one, alive, everything = tempo.sync, tempo.held, tempo.one, tempo.alive, tempo.everything

#: What a verb of Tempo at the control door is called with.
Do = Callable[..., Any]


def door(site: Running) -> Do:
    """The control door of the sandbox's Tempo."""
    return lambda verb, **arguments: site.control(f"tempo/{verb}", **arguments)


def wrong(site: Running) -> dict[str, Any]:
    """How what is held differs from the truth; empty when it does not."""
    return tempo.differences(door(site)("truth"))


def asked(site: Running) -> dict[str, int]:
    """Requests that Tempo answered since it was last asked about, by method and path."""
    counted = site.requests(reset=True)
    return {path.replace("/tempo/4", ""): count for path, count in counted.items() if "/tempo/" in path}


def later(site: Running, minutes: float = 15) -> None:
    """Let time pass."""
    site.control("clock", advance_seconds=minutes * 60)


def state(table: str, row_id: object) -> str:
    """alive, deleted or unreachable."""
    (row,) = held(f"select deleted_at, unreachable_since from raw.{table} where id = ?", str(row_id))
    return "deleted" if row[0] else "unreachable" if row[1] else "alive"
