"""``impulsum triage``: what the rules make of an event, for people who write rules."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import plain, show_json, show_table
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.settings import load_settings

if TYPE_CHECKING:
    from impulsum_pipelines.webhooks.events.event import Event
    from impulsum_pipelines.webhooks.receiving.dropfiles import DropFile

app = typer.Typer(no_args_is_help=True, help="How urgent an event is, and by which rule.")


@app.callback()
def group() -> None:
    """Keep the commands below their name, though there is one."""


@app.command()
def explain(
    file: Annotated[
        Path,
        typer.Argument(
            help="A drop file, or with --source the body of a webhook as it was sent.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    source: Annotated[str | None, typer.Option(help="Whose body it is, when the file is no drop file.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="A header of the request, as 'X-Event: push'; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which rule decides on an event, why, and what stood against the rules before it."""
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
        [(step.rule, step.priority, step.against or "it decides") for step in steps],
        title=f"The rules of {triage.rules_file(settings)}, in order",
    )
    typer.echo(f"\n{verdict.priority} by the rule {verdict.rule!r}: {verdict.why}")


def _facts(event: Event) -> list[tuple[str, str]]:
    of_every = {"title": event.title, "actor": event.actor, "subjects": event.subjects, "url": event.url}
    shown = [(name, _shown(value)) for name, value in (*of_every.items(), *sorted(event.facts.items()))]
    return [(name, value) for name, value in shown if value]


def _shown(value: Any) -> str:
    text = ", ".join(map(plain, value)) if isinstance(value, tuple) else plain(value)
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
            f"This is no drop file: {error.what}",
            where=error.where,
            next_step="see docs/drop-files.md; of a body as it was sent name the source, as with --source jira.",
        ) from None
