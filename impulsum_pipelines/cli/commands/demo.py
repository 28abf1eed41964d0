"""``impulsum demo``: the whole pipeline with a generated team history, without any account."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.cli.commands.data import query
from impulsum_pipelines.cli.commands.jobs import exit_unless_checked, show_checks
from impulsum_pipelines.cli.commands.story import best_linked, load_story, show_story
from impulsum_pipelines.cli.console import notes, show_table
from impulsum_pipelines.cli.overview import OVERVIEW
from impulsum_pipelines.cli.runs import run_job
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings, load_settings

#: The home of the demo when IMPULSUM_HOME is not set, or contains other data.
OWN_HOME = Path(".impulsum-demo")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    seed: Annotated[int, typer.Option(help="The same seed generates the same history.")] = 1,
    issues: Annotated[int, typer.Option(help="How many issues to generate.", min=1)] = 500,
) -> None:
    """Generate a team's history in six tools, pull it, build and publish marts, and compare velocity with the truth."""
    from impulsum_pipelines.sandbox.server import env_of

    started = monotonic()
    home = _fresh(choose_home(load_settings()))
    truth_file = home.root / "truth.json"
    notes().print(f"Generating the history of a team in six tools: {issues} issues, seed {seed}.", highlight=False)
    with _sandbox(seed, issues, truth_file) as url, _only_settings(env_of(url) | {"IMPULSUM_HOME": str(home.root)}):
        home.mark_demo(url)
        settings = load_settings()
        report = run_job("main", settings, partition_key=datetime.now(UTC).date().isoformat())
    show_overview(settings)
    best = best_linked(settings)
    show_story(load_story(best, settings), title=f"\n{best} in all six tools")
    notes().print()
    show_checks(report)
    sprints = query("from velocity.sprint_velocity", settings).dicts()
    truths = json.loads(truth_file.read_text())["sprints"]
    wrong = differences(sprints, truths)
    equal = len(truths) - len({sprint for sprint, _, _, _ in wrong})
    notes().print(
        f"Truth: the velocity of {equal} of {len(truths)} sprints is what the generator wrote to {_short(truth_file)}.",
        highlight=False,
    )
    if wrong:
        show_table(("sprint", "column", "published", "truth"), wrong)
        raise typer.Exit(1)
    exit_unless_checked(report)
    notes().print(f"Done in {monotonic() - started:.0f} s.", highlight=False)
    notes().print(_next_steps(home, best), markup=False, highlight=False)


def show_overview(settings: Settings) -> None:
    """Print the newest sprints, trends, boards and risks; says so where there is nothing yet.

    Raises:
        ImpulsumError: when nothing is published yet.
    """
    for title, statement, nothing in OVERVIEW:
        result = query(statement, settings)
        if result.rows:
            show_table(result.columns, result.rows, title=f"\n{title}")
        else:
            notes().print(nothing, highlight=False)


def choose_home(settings: Settings) -> Home:
    """The home of the demo: IMPULSUM_HOME if it is set, and empty or a demo's already; otherwise ``OWN_HOME``.

    Raises:
        ImpulsumError: when ``OWN_HOME`` contains other data.
    """
    if "impulsum_home" in settings.model_fields_set:
        home = Home(settings.home)
        if _is_free(home):
            return home
        notes().print(
            f"IMPULSUM_HOME is {settings.home}, which contains other data: it stays as it is. "
            f"The demo uses {OWN_HOME.absolute()}.",
            style="yellow",
            markup=False,
            highlight=False,
        )
    home = Home(OWN_HOME.absolute())
    if not _is_free(home):
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"{home.root} contains data that is not a demo's",
            next_step="move it away, or set IMPULSUM_HOME to a new folder for the demo.",
        )
    return home


def _is_free(home: Home) -> bool:
    return home.is_demo or not home.root.exists() or (home.root.is_dir() and not any(home.root.iterdir()))


def differences(sprints: list[dict[str, Any]], truths: list[dict[str, Any]]) -> list[tuple[str, str, object, object]]:
    """Every difference between the published velocity and the truth; numbers are compared exactly.

    Args:
        sprints: rows of ``velocity.sprint_velocity``.
        truths: the sandbox's own record. Every column in it is compared; a column that the table lacks is a difference.

    Returns:
        Tuples (sprint_id, column, published value, true value). A sprint on only one side differs in ``sprint_id``.
    """
    published = {str(sprint["sprint_id"]): sprint for sprint in sprints}
    true = {str(sprint["sprint_id"]): sprint for sprint in truths}
    wrong: list[tuple[str, str, object, object]] = [
        (sprint, "sprint_id", sprint if sprint in published else None, sprint if sprint in true else None)
        for sprint in sorted(published.keys() ^ true.keys())
    ]
    for sprint in sorted(published.keys() & true.keys()):
        for column, value in true[sprint].items():
            shown = published[sprint].get(column, "no such column")
            if _exact(value) != _exact(shown):
                wrong.append((sprint, column, shown, value))
    return wrong


def _exact(value: object) -> object:
    """Any number as a decimal, so that 3, 3.0 and 3.000 are equal and nothing is rounded."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    return Decimal(str(value))


def _fresh(home: Home) -> Home:
    """Delete the data of an earlier demo, so that data of another seed is not mixed in."""
    home.mark_demo("no sandbox yet")
    for folder in (home.raw("any").parent, home.versions, home.work, home.limits):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (home.warehouse, home.published, home.first_day):
        file.unlink(missing_ok=True)
    return home


@contextmanager
def _sandbox(seed: int, issues: int, truth: Path) -> Iterator[str]:
    """Run a sandbox in a separate process on a free port; yields its URL."""
    command = [
        sys.executable, "-m", "impulsum_pipelines.sandbox", "--port", "0",
        "--seed", str(seed), "--issues", str(issues), "--truth", str(truth),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101  # it is piped
            first_line = process.stdout.readline()
            if "http://" not in first_line:
                raise ImpulsumError(
                    Category.INTERNAL,
                    "The sandbox did not start",
                    next_step="run `impulsum sandbox serve` to see the reason.",
                )
            yield first_line.split()[-1]
        finally:
            process.terminate()


@contextmanager
def _only_settings(variables: Mapping[str, str]) -> Iterator[None]:
    """Make these the only settings: no other store, channel or history may get invented data."""
    before = dict(os.environ)
    for name in before:
        if name.upper() in {*Settings.variables(), "DAGSTER_HOME", "DAGSTER_POSTGRES_URL"}:
            del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _next_steps(home: Home, issue: str) -> str:
    programs = Path(sys.executable).parent
    impulsum, python = (_short(programs / name) for name in ("impulsum", "python"))
    select_home = f"IMPULSUM_HOME={_short(home.root)}"
    published = str(home.published)
    if Path("workspace.yaml").exists():
        dagster = f"{select_home} make dev"
    else:
        dagster = (
            f"{select_home} DAGSTER_HOME={shlex.quote(str(home.dagster))} "
            f"{_short(programs / 'dagster')} dev -m impulsum_pipelines.definitions"
        )
    return f"""
The data is in {home.published}. Query it with any of these:
  {select_home} {impulsum} sql "from velocity.sprint_velocity"
  {select_home} {impulsum} story {issue}
  {python} -c "import duckdb; duckdb.connect({published!r}, read_only=True).sql('from risk.signals').show()"
  duckdb -readonly {shlex.quote(published)} "show all tables"

Open it in Dagster, with its assets, partitions, checks and history:
  {dagster}

Connect your own tools: see README.md. They get a home of their own, .impulsum, and never touch the demo's."""


def _short(path: Path) -> str:
    """A path for a command line in the present folder."""
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
