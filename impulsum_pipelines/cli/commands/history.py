"""``impulsum history``: past syncs, by any schedule, sensor or person, and how each ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from impulsum_pipelines.cli.commands.jobs import AsJson, require_known
from impulsum_pipelines.cli.console import in_utc, notes, show_json, show_table
from impulsum_pipelines.settings import load_settings

_WRITTEN = ("new", "changed", "deleted", "unreachable")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(history)


def history(
    source: Annotated[str | None, typer.Argument(help="Only this source; default: all sources.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many syncs to show, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the latest syncs: who started them, how they ended, how long they took, and what they wrote."""
    from impulsum_pipelines.loading.history import recent

    if source is not None:
        require_known(source)
    syncs = recent(load_settings(), source=source, limit=limit)
    if as_json:
        show_json(syncs)
        return
    show_table(
        (
            "started (UTC)",
            "source",
            "started by",
            "mode",
            "status",
            "seconds",
            *_WRITTEN,
            "requests",
            "scopes",
            "error",
        ),
        [_line(sync) for sync in syncs],
    )
    if not syncs:
        notes().print("No sync is recorded yet. Next: `impulsum sync SOURCE`.", highlight=False)


def _line(sync: dict[str, Any]) -> tuple[object, ...]:
    took = (sync["finished_at"] - sync["started_at"]) / timedelta(seconds=1) if sync["finished_at"] else None
    tables = (sync["rows"] or {}).values()
    error = f"{sync['error_category']}: {sync['error']}" if sync["error"] else None
    return (
        sync["started_at"],
        sync["source"],
        sync["started_by"],
        _mode(sync),
        sync["status"],
        took,
        *(sum(counts[name] for counts in tables) if sync["rows"] is not None else None for name in _WRITTEN),
        sync["requests"],
        _scope_names(sync["scopes"]),
        error,
    )


def _mode(sync: dict[str, Any]) -> str:
    if sync["window_start"]:
        return f"{in_utc(sync['window_start']):%Y-%m-%d %H:%M}..{in_utc(sync['window_end']):%Y-%m-%d %H:%M}"
    return "live with census" if sync["census"] else "live"


def _scope_names(scopes: list[dict[str, Any]]) -> str:
    """The names of the scopes that were written to: the first three, and how many more."""
    names = [scope["name"] or scope["scope"] for scope in scopes]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
