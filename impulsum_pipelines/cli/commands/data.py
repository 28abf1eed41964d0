"""``impulsum sql``, ``versions``, ``rollback``: the published file, as an analyst uses it."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any

import typer

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import age, in_utc, notes, show_json, show_table
from impulsum_pipelines.cli.max_age import MaxAge, refresh
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings, load_settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(sql)
    app.command()(versions)
    app.command()(rollback)


def query(statement: str, settings: Settings, **parameters: object) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of a statement over the published file, on a connection as short as the statement.

    Args:
        statement: SQL, in which ``$name`` stands for a parameter.
        settings: where the file is.
        parameters: values by name.

    Raises:
        ImpulsumError: when nothing is published yet, or the statement cannot be run.
    """
    import duckdb

    path = Home.of(settings).published
    if not path.exists():
        raise ImpulsumError(
            Category.BAD_DATA,
            f"Nothing is published yet: {path} does not exist",
            next_step="run `impulsum build`, or `impulsum demo` to see it with generated data.",
        )
    try:
        with connect(path, read_only=True) as connection:
            result = connection.execute(statement, parameters)
            return [column[0] for column in result.description or []], result.fetchall()
    except duckdb.Error as error:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"The statement cannot be run: {error}",
            next_step='correct it; `impulsum sql "show all tables"` lists what there is.',
        ) from error


def sql(
    statement: Annotated[str, typer.Argument(help='Such as "from velocity.sprint_velocity".')],
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header line.")] = False,
    max_age: MaxAge = None,
) -> None:
    """Query the published file. Times are UTC. With --json and --max-age: {"rows": …, "sources": age by source}."""
    if as_json and as_csv:
        raise ImpulsumError(Category.CONFIGURATION, "--json and --csv exclude each other", next_step="leave one out.")
    settings = load_settings()
    refreshed = None if max_age is None else refresh(settings, max_age)
    columns, rows = query(statement, settings)
    if as_json:
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        show_json({"rows": records, "sources": refreshed.facts()} if refreshed else records)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        show_table(columns, rows)
        notes().print(f"{len(rows)} rows", style="dim", highlight=False)
    if refreshed:
        refreshed.say()
        refreshed.leave()


def versions(as_json: AsJson = False) -> None:
    """List the published versions that are kept."""
    from impulsum_pipelines.publishing.publish import kept_versions

    kept = kept_versions(load_settings())
    if as_json:
        show_json([vars(version) for version in kept])
        return
    show_table(
        ("version", "published (UTC)", "age", "MB", "current"),
        [
            (v.version, in_utc(v.published_at), age(v.published_at), round(v.bytes / 1e6, 1), "*" if v.current else "")
            for v in kept
        ],
    )


def rollback(version: Annotated[str, typer.Argument(help="A version that `impulsum versions` lists.")]) -> None:
    """Put a kept version in place again. The next build publishes a new one as usual."""
    from impulsum_pipelines.publishing.publish import rollback as go_back

    back = go_back(load_settings(), version)
    notes().print(f"impulsum.duckdb is version {back.version} again.", highlight=False)
