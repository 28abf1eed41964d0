"""``impulsum demo``: everything, end to end, with a generated team history and no account anywhere."""

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
from impulsum_pipelines.cli.commands.story import best_linked, show_story, tell
from impulsum_pipelines.cli.console import notes, show_table
from impulsum_pipelines.cli.runs import run_job
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES

#: Measures of a sprint by the column that shows them; each exists in points and in issues.
_SHOWN = {
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
    seed: Annotated[int, typer.Option(help="The history is generated from it: same seed, same history.")] = 1,
    issues: Annotated[int, typer.Option(help="How many issues to generate.", min=1)] = 500,
) -> None:
    """Generate a team's six tools, pull them, build and publish the marts, and compare velocity with the truth."""
    settings = load_settings()
    home = Home.of(settings)
    folder = _fresh_folder(home)
    notes().print(f"Generating {issues} issues of a team's history from seed {seed}.", highlight=False)
    truth_file = folder / "truth.json"
    with _sandbox(seed, issues, truth_file) as variables, _environment(variables):
        report = run_job("main", settings, partition_key=datetime.now(UTC).date().isoformat())
    columns, rows = query("from velocity.sprint_velocity order by board_name, started_at", settings)
    sprints = [dict(zip(columns, row, strict=True)) for row in rows]
    show_table(("sprint", "state", "unit", *_SHOWN, "say/do %"), [_line(sprint) for sprint in sprints])
    best = best_linked(settings)
    show_story(tell(best, settings), title=f"\n{best} through all six tools")
    show_checks(report)
    truths = json.loads(truth_file.read_text())["sprints"]
    wrong = differences(sprints, truths)
    notes().print(
        f"{len(truths) - len({sprint for sprint, _, _, _ in wrong})} of {len(truths)} sprints equal the truth "
        f"that the sandbox kept ({truth_file}).",
        highlight=False,
    )
    if wrong:
        show_table(("sprint", "column", "published", "truth"), wrong)
        raise typer.Exit(1)
    exit_unless_checked(report)
    notes().print(_next_steps(home), markup=False, highlight=False)


def _line(sprint: Mapping[str, Any]) -> tuple[object, ...]:
    """One sprint in its board's unit: points, or issues where the team does not estimate."""
    points = sprint["committed_points"] is not None
    unit = "points" if points else "issues"
    say_do = sprint["say_do_ratio" if points else "say_do_issue_ratio"]
    measures = (sprint[f"{measure}_{unit}"] for measure in _SHOWN.values())
    return sprint["sprint_name"], sprint["state"], unit, *measures, None if say_do is None else round(100 * say_do)


def differences(sprints: list[dict[str, Any]], truths: list[dict[str, Any]]) -> list[tuple[str, str, object, object]]:
    """Where the published velocity differs from the truth, exactly.

    Args:
        sprints: rows of ``velocity.sprint_velocity``.
        truths: the sandbox's own record; every column in it is compared, and one that the table lacks differs.

    Returns:
        (sprint_id, column, published, true); a sprint on one side only differs in its ``sprint_id``.
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
    """Numbers of any kind as decimals, so that 3, 3.0 and 3.000 are one and nothing is rounded."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    return Decimal(str(value))


def _fresh_folder(home: Home) -> Path:
    """The demo's folder in an emptied home; a home that holds other data is refused.

    The demo starts from nothing each time: what another seed left would be neither here nor there.
    """
    folder = home.root / "demo"
    if not folder.exists() and any(home.raw(source.name).exists() for source in SOURCES):
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"{home.root} holds data that is not the demo's",
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
    """A sandbox in a process of its own, on a free port; the settings that point every source at it."""
    command = [
        sys.executable, "-m", "impulsum_pipelines.sandbox", "--port", "0",
        "--seed", str(seed), "--issues", str(issues), "--truth", str(truth),
    ]  # fmt: skip
    from impulsum_pipelines.sandbox.server import env_of

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101  # it is piped
            said = process.stdout.readline()
            if "http://" not in said:
                raise ImpulsumError(
                    Category.INTERNAL,
                    "The sandbox did not start",
                    next_step="run `impulsum sandbox serve` to see why.",
                )
            yield env_of(said.split()[-1])
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
The data is in {home.published}: open it read-only with any DuckDB client.

Next:
  {shown} sql "from velocity.sprint_scope_changes limit 10"
  {shown} story              another issue by its key, with its pull requests, threads, meetings, pages, hours
  {shown} sql "show all tables"
  {shown} status
  make dev     the asset graph, partitions, checks and history, in a browser
  README.md    to point it at your Jira"""
