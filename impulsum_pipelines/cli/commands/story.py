"""``impulsum story``: one issue in all six tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from impulsum_pipelines.cli.commands.data import query
from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import notes, show_json, show_table
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings, load_settings

_STORY = Path(__file__).with_suffix(".sql")

#: How many rows of each kind are shown without `--all`.
MOST_ROWS = 3

#: The issue that is mentioned in most tools, then by most kinds of records, then changed last.
_BEST_LINKED = """
select any_value(issues.issue_key) as issue_key
from core.work_links as links
inner join core.issues as issues using (issue_id)
where not issues.is_deleted and not issues.is_unreachable
group by issue_id
order by count(distinct links.tool) desc, count(distinct links.entity) desc, max(issues.updated_at) desc, issue_key
limit 1
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(story)


def story(
    issue: Annotated[
        str | None, typer.Argument(help="Key of the issue; default: the issue that is linked in most tools.")
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Show every record, not only the first {MOST_ROWS} of each kind.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one issue with its pull requests, reviews, threads, meetings, pages and hours. Times are UTC."""
    settings = load_settings()
    key = issue or best_linked(settings)
    rows = load_story(key, settings)
    if as_json:
        show_json([dict(zip(("kind", "what", "who", "at"), row, strict=True)) for row in rows])
        return
    show_story(rows, show_all=show_all)


def best_linked(settings: Settings) -> str:
    """Key of the issue that is linked in most tools, and by most kinds of records.

    Raises:
        ImpulsumError: when no record mentions an issue.
    """
    rows = query(_BEST_LINKED, settings).rows
    if not rows:
        raise ImpulsumError(
            Category.BAD_DATA,
            "No issue is linked to anything yet",
            next_step="pull another source too (`impulsum sync SOURCE`), then run `impulsum build`.",
        )
    return str(rows[0][0])


def load_story(key: str, settings: Settings) -> list[tuple[Any, ...]]:
    """Everything published about an issue, as rows (kind, what, who, when): by kind, the issue first, then by time.

    Raises:
        ImpulsumError: when no issue has or had that key.
    """
    rows = query(_STORY.read_text(encoding="utf-8"), settings, key=key.strip().upper()).rows
    if not rows:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"There is no issue {key} in the published file",
            next_step='check the key; `impulsum sql "select issue_key, summary from core.issues"` lists all issues.',
        )
    return rows


def show_story(rows: Sequence[tuple[Any, ...]], *, show_all: bool = False, title: str | None = None) -> None:
    """Print the story: the first few records of each kind, or all."""
    seen: Counter[str] = Counter()
    shown = []
    for kind, what, who, at in rows:
        seen[kind] += 1
        if show_all or seen[kind] <= MOST_ROWS:
            shown.append((kind if seen[kind] == 1 else "", " ".join(str(what).split()), who, at))
    show_table(("", "what", "who", "when (UTC)"), shown, title=title)
    hidden = {kind: count - MOST_ROWS for kind, count in seen.items() if count > MOST_ROWS and not show_all}
    if hidden:
        more = ", ".join(f"{count} more of {kind}" for kind, count in hidden.items())
        notes().print(f"{more}: show them with `impulsum story KEY --all`.", style="dim", highlight=False)
