"""Output for people and programs: tables and JSON on stdout, notes and progress on stderr."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from impulsum_pipelines.base.progress import PARTS, Report, reporting_to

#: Width of a table in a file or a pipe, in characters: nothing may be cut off there.
_WIDE = 400
#: How long nothing is printed during a step when there are no bars.
_QUIET_SECONDS = 30


def notes() -> Console:
    """The console for everything that is not data: stderr."""
    return _console(stderr=True, soft_wrap=True)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows as a table on stdout, with numbers aligned right."""
    console = _console()
    if not console.is_terminal:
        console.width = _WIDE
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    cells = [list(row) for row in rows]
    for position, name in enumerate(columns):
        values = [row[position] for row in cells if row[position] is not None]
        numeric = bool(values) and all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in values)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=not console.is_terminal)
    for row in cells:
        table.add_row(*(format_value(value) for value in row))
    console.print(table, markup=False)


def show_json(document: object) -> None:
    """Print a document as JSON on stdout."""
    typer.echo(json.dumps(document, indent=2, default=_encode, ensure_ascii=False))


def format_value(value: object) -> str:
    """A value as text for people: no trailing zeros, times in UTC to the second, and nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case Decimal() | float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case datetime():
            return f"{in_utc(value):%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


def in_utc(value: datetime) -> datetime:
    """The same instant in UTC; a time without a zone is taken as UTC."""
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago a moment was, in its largest unit of at least 2, such as ``90 min ago``; ``never`` for None."""
    if moment is None:
        return "never"
    seconds = max(0, int(((now or datetime.now(UTC)) - in_utc(moment)) / timedelta(seconds=1)))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


@contextmanager
def progress_bars(first: str) -> Iterator[None]:
    """Show the progress of the work inside the block, one bar per stage, and its warnings.

    When stderr is not a terminal, a line says when each step starts, and every half a minute how far it is, with the
    seconds since the block started.

    Args:
        first: name of the stage before the first report.
    """
    # A separate descriptor: while a run executes, Dagster redirects 1 and 2 to its log.
    with os.fdopen(os.dup(2), "w") as stderr, _warnings(_console(file=stderr, soft_wrap=True)) as console:
        shown = _bars if console.is_terminal else _lines
        with shown(console, first) as report, reporting_to(report):
            yield


@contextmanager
def _warnings(console: Console) -> Iterator[Console]:
    """Print warnings of our own code at once, such as a long wait, or a history that cannot be written."""

    class ToConsole(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.print(self.format(record), style="yellow", markup=False, highlight=False)

    ours, handler = logging.getLogger("impulsum_pipelines"), ToConsole(logging.WARNING)
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(min(level or logging.WARNING, logging.WARNING))
    try:
        yield console
    finally:
        ours.setLevel(level)
        ours.removeHandler(handler)


@contextmanager
def _lines(console: Console, first: str) -> Iterator[Report]:
    started = printed = monotonic()

    def report(stage: str, done: int, total: int | None) -> None:
        nonlocal printed
        now = monotonic()
        if (not done and total is None and stage not in PARTS) or now - printed >= _QUIET_SECONDS:
            count = f" {done}" if done else ""
            count += f" of {total}" if total else ""
            console.print(f"{now - started:6.1f} s  {stage}{count}", markup=False, highlight=False)
            printed = now

    report(first, 0, None)
    yield report
    report("done", 0, None)


@contextmanager
def _bars(console: Console, first: str) -> Iterator[Report]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {first: progress.add_task(first, total=None)}

        def report(stage: str, done: int, total: int | None) -> None:
            if first in bars and stage != first:
                progress.remove_task(bars.pop(first))
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done, total=total)

        yield report


def _console(**options: Any) -> Console:
    """A console that prints a text as it is: rich turns words such as ``:fire:`` into emoji, even without markup."""
    return Console(emoji=False, **options)


def _encode(value: Any) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return in_utc(value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
