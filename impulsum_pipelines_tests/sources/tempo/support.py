"""Pull Tempo as users do, and query what is stored afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines_tests.sources.pulls import Pulls

NOW = "2026-11-01T12:00:00Z"

tempo = Pulls("tempo")
sync, held, one, alive, everything = tempo.sync, tempo.held, tempo.one, tempo.alive, tempo.everything

#: Calls a verb of Tempo at the sandbox's control endpoint.
Do = Callable[..., Any]


def door(site: Running) -> Do:
    """The control endpoint of the sandbox's Tempo."""
    return lambda verb, **arguments: site.control(f"tempo/{verb}", **arguments)


def wrong(site: Running) -> dict[str, Any]:
    """How the stored rows differ from the truth; empty when they do not."""
    return tempo.differences(door(site)("truth"))


def asked(site: Running) -> dict[str, int]:
    """Requests that Tempo answered since the last call, by method and path."""
    counted = site.requests(reset=True)
    return {path.replace("/tempo/4", ""): count for path, count in counted.items() if "/tempo/" in path}


def later(site: Running, minutes: float = 15) -> None:
    """Let time pass."""
    site.control("clock", advance_seconds=minutes * 60)


def state(table: str, row_id: object) -> str:
    """The state of a stored row: alive, deleted or unreachable."""
    (row,) = held(f"select deleted_at, unreachable_since from raw.{table} where id = ?", str(row_id))
    return "deleted" if row[0] else "unreachable" if row[1] else "alive"
