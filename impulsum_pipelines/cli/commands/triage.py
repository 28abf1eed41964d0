"""``impulsum triage``: how the rules classify an event, for people who write rules."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import format_value, show_json, show_table
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.settings import load_settings

if TYPE_CHECKING:
    from impulsum_pipelines.webhooks.events.event import Event
    from impulsum_pipelines.webhooks.receiving.dropfiles import DropFile

app = typer.Typer(no_args_is_help=True, help="Try the rules that decide how urgent an event is.")


@app.callback()
def group() -> None:
    """Keep ``explain`` a subcommand although it is the only one."""


@app.command()
def explain(
    file: Annotated[
        Path,
        typer.Argument(
            help="A drop file; with --source, the body of a webhook as it was sent.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    source: Annotated[
        str | None, typer.Option(help="The source that sent the body, when the file is not a drop file.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="A header of the request, such as 'X-Event: push'; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which rule classifies an event, and why each rule before it does not match."""
    from impulsum_pipelines.webhooks.events import triage

    settings = load_settings()
    rules = triage.load_rules(settings)
    event = _event(file, source, header or [])
    verdict, steps = triage.classify(event, rules), triage.explain_classification(event, rules)
    if as_json:
        facts = {name: value for name, value in vars(event).items() if name not in {"content", "body"}}
        show_json({"event": facts, "verdict": vars(verdict), "rules": [vars(step) for step in steps]})
        return
    show_table(("fact", "value"), _facts(event), title=f"{event.source} {event.type}")
    typer.echo()
    show_table(
        ("rule", "priority", "why not"),
        [(step.rule, step.priority, step.against or "it matches") for step in steps],
        title=f"The rules of {triage.rules_file(settings)}, in order",
    )
    typer.echo(f"\n{verdict.priority} by the rule {verdict.rule!r}: {verdict.why}")


def _facts(event: Event) -> list[tuple[str, str]]:
    common = {"title": event.title, "actor": event.actor, "subjects": event.subjects, "url": event.url}
    shown = [(name, _shown(value)) for name, value in (*common.items(), *sorted(event.facts.items()))]
    return [(name, value) for name, value in shown if value]


def _shown(value: Any) -> str:
    text = ", ".join(map(format_value, value)) if isinstance(value, tuple) else format_value(value)
    return " ".join(text.split())[:200]


def _event(file: Path, source: str | None, header: list[str]) -> Event:
    from impulsum_pipelines.webhooks.events.event import read_event

    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in header)}
    if source is not None:
        return read_event(source, headers, file.read_bytes(), datetime.now(UTC), None)
    drop = _drop_file(file)
    return read_event(drop.source, {**drop.headers, **headers}, drop.body, drop.received_at, drop.delivery)


def _drop_file(file: Path) -> DropFile:
    from impulsum_pipelines.webhooks.receiving import dropfiles

    try:
        return dropfiles.read_dropfile(file)
    except ImpulsumError as error:
        raise ImpulsumError(
            error.category,
            f"This is not a drop file: {error.what}",
            where=error.where,
            next_step="see docs/drop-files.md; for a body as it was sent add its source, such as --source jira.",
        ) from None
