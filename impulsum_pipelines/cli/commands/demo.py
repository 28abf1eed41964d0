"""``impulsum demo``: the whole pipeline with a generated team history, without any account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.cli.commands.data import query
from impulsum_pipelines.cli.commands.jobs import exit_unless_checked, show_checks
from impulsum_pipelines.cli.commands.story import best_linked, load_story, show_story
from impulsum_pipelines.cli.console import notes, show_table
from impulsum_pipelines.cli.runs import run_job
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES

#: Column of the printed table -> measure of a sprint; each measure exists in points and in issues.
_MEASURES = {
    "committed": "committed",
    "added": "added",
    "removed": "removed",
    "re-est.": "reestimated",
    "final": "final",
    "completed": "completed",
    "carried": "carryover",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    seed: Annotated[int, typer.Option(help="The same seed generates the same history.")] = 1,
    issues: Annotated[int, typer.Option(help="How many issues to generate.", min=1)] = 500,
) -> None:
    """Generate a team's history in six tools, pull it, build and publish marts, and compare velocity with the truth."""
    settings = load_settings()
    home = Home.of(settings)
    folder = _fresh_folder(home)
    notes().print(f"Generating the history of a team: {issues} issues, seed {seed}.", highlight=False)
    truth_file = folder / "truth.json"
    with _sandbox(seed, issues, truth_file) as variables, _environment(variables):
        report = run_job("main", settings, partition_key=datetime.now(UTC).date().isoformat())
    sprints = query("from velocity.sprint_velocity order by board_name, started_at", settings).dicts()
    show_table(("sprint", "state", "unit", *_MEASURES, "say/do %"), [_line(sprint) for sprint in sprints])
    best = best_linked(settings)
    show_story(load_story(best, settings), title=f"\n{best} in all six tools")
    show_checks(report)
    truths = json.loads(truth_file.read_text())["sprints"]
    wrong = differences(sprints, truths)
    notes().print(
        f"{len(truths) - len({sprint for sprint, _, _, _ in wrong})} of {len(truths)} sprints equal the truth, "
        f"which the sandbox wrote to {truth_file}.",
        highlight=False,
    )
    if wrong:
        show_table(("sprint", "column", "published", "truth"), wrong)
        raise typer.Exit(1)
    exit_unless_checked(report)
    notes().print(_next_steps(home), markup=False, highlight=False)


def _line(sprint: Mapping[str, Any]) -> tuple[object, ...]:
    """The table row of one sprint, in points, or in issues when the team does not estimate."""
    points = sprint["committed_points"] is not None
    unit = "points" if points else "issues"
    say_do = sprint["say_do_ratio" if points else "say_do_issue_ratio"]
    measures = (sprint[f"{measure}_{unit}"] for measure in _MEASURES.values())
    return sprint["sprint_name"], sprint["state"], unit, *measures, None if say_do is None else round(100 * say_do)


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


def _fresh_folder(home: Home) -> Path:
    """Empty the home and return the demo's folder in it; raises when the home contains other data.

    The demo starts from nothing each time, so that data of another seed is not mixed in.
    """
    folder = home.root / "demo"
    if not folder.exists() and any(home.raw(source.name).exists() for source in SOURCES):
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"{home.root} contains data that is not the demo's",
            safe="Nothing was deleted.",
            next_step="set IMPULSUM_HOME to another folder for the demo.",
        )
    for part in (home.raw("any").parent, home.versions, home.work, folder):
        shutil.rmtree(part, ignore_errors=True)
    for file in (home.warehouse, home.published):
        file.unlink(missing_ok=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def _sandbox(seed: int, issues: int, truth: Path) -> Iterator[Mapping[str, str]]:
    """Run a sandbox in a separate process on a free port; yields the settings that point every source to it."""
    command = [
        sys.executable, "-m", "impulsum_pipelines.sandbox", "--port", "0",
        "--seed", str(seed), "--issues", str(issues), "--truth", str(truth),
    ]  # fmt: skip
    from impulsum_pipelines.sandbox.server import env_of

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
            yield env_of(first_line.split()[-1])
        finally:
            process.terminate()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in (*variables, "JIRA_PROJECTS")}
    os.environ.pop("JIRA_PROJECTS", None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _next_steps(home: Home) -> str:
    impulsum = Path(sys.executable).with_name("impulsum")
    shown = impulsum.relative_to(Path.cwd()) if impulsum.is_relative_to(Path.cwd()) else impulsum
    return f"""
The data is in {home.published}. Open it read-only with any DuckDB client.

Next:
  {shown} sql "from velocity.sprint_scope_changes limit 10"
  {shown} story KEY          an issue with its pull requests, threads, meetings, pages and hours
  {shown} sql "show all tables"
  {shown} status
  make dev     see assets, partitions, checks and history in a browser
  README.md    how to connect your own Jira"""
