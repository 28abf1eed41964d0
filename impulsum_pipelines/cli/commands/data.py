"""``impulsum sql``, ``versions`` and ``rollback``: commands for the published file."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any, NamedTuple

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


class QueryResult(NamedTuple):
    """The result of a query.

    Args:
        columns: names of the columns.
        rows: one tuple per row.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        """The rows, each as a dict by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def query(statement: str, settings: Settings, **parameters: object) -> QueryResult:
    """Run a statement over the published file. The connection is closed at once.

    Args:
        statement: SQL, in which ``$name`` stands for a parameter.
        settings: they say where the file is.
        parameters: values by name.

    Raises:
        ImpulsumError: when nothing is published yet, or the statement cannot be run.
    """
    import duckdb

    path = Home.of(settings).published
    if not path.exists():
        raise ImpulsumError(
            Category.BAD_DATA,
            f"Nothing is published yet: there is no file {path}",
            next_step="run `impulsum build`, or `impulsum demo` to try it with generated data.",
        )
    try:
        with connect(path, read_only=True) as connection:
            result = connection.execute(statement, parameters)
            return QueryResult([column[0] for column in result.description or []], result.fetchall())
    except duckdb.Error as error:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"The statement cannot be run: {error}",
            next_step='correct it; `impulsum sql "show all tables"` lists the tables.',
        ) from error


def sql(
    statement: Annotated[str, typer.Argument(help='SQL, such as "from velocity.sprint_velocity".')],
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header line.")] = False,
    max_age: MaxAge = None,
) -> None:
    """Query the published file. Times are UTC. --json with --max-age prints {"rows": …, "sources": age by source}."""
    if as_json and as_csv:
        raise ImpulsumError(
            Category.CONFIGURATION, "--json and --csv cannot be used together", next_step="leave one out."
        )
    settings = load_settings()
    refreshed = None if max_age is None else refresh(settings, max_age)
    result = query(statement, settings)
    if as_json:
        show_json({"rows": result.dicts(), "sources": refreshed.facts()} if refreshed else result.dicts())
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(result.columns)
        writer.writerows(result.rows)
    else:
        show_table(result.columns, result.rows)
        notes().print(f"{len(result.rows)} rows", style="dim", highlight=False)
    if refreshed:
        refreshed.print_ages()
        refreshed.exit_unless_done()


def versions(as_json: AsJson = False) -> None:
    """List the kept versions of the published file, newest first."""
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
    """Make a kept version the published file again. The next build publishes a new version as usual."""
    from impulsum_pipelines.publishing.publish import rollback as go_back

    back = go_back(load_settings(), version)
    notes().print(f"impulsum.duckdb is version {back.version} again.", highlight=False)
