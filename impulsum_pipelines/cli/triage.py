"""``impulsum triage``: what the rules make of an event, for people who write rules."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impulsum_pipelines.cli.console import plain, show_json, show_table
from impulsum_pipelines.cli.work import AsJson
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings

if TYPE_CHECKING:
    from impulsum_pipelines.webhooks.event import Event

app = typer.Typer(no_args_is_help=True, help="How urgent an event is, and by which rule.")


@app.callback()
def group() -> None:
    """Keep the commands below their name, though there is one."""


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="A drop file, or the body of a webhook as it was sent.")],
    source: Annotated[str | None, typer.Option(help="Whose body it is, unless the file is a drop file.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="A header of the request, as 'X-Event: push'; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which rule decides on an event, why, and what stood against the rules before it."""
    from impulsum_pipelines.webhooks import triage

    settings = load_settings()
    rules = triage.rules(settings)
    event = _event(file, source, header or [])
    verdict, steps = triage.judge(event, rules), triage.explain(event, rules)
    if as_json:
        facts = {name: value for name, value in vars(event).items() if name != "content"}
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
    import orjson

    from impulsum_pipelines.webhooks.event import read

    try:
        body = file.read_bytes()
    except OSError as error:
        raise _refused(f"{file} cannot be read: {error.strerror}", "correct the path.") from None
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in header)}
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        envelope = None
    if source is None and isinstance(envelope, dict) and isinstance(envelope.get("source"), str):
        return _enclosed(envelope, headers)
    if source is None:
        raise _refused(f"{file} does not say whose body it is", "name it, as with --source jira.")
    return read(source, headers, body, datetime.now(UTC), None)


def _enclosed(envelope: dict[str, Any], headers: dict[str, str]) -> Event:
    """The event in a drop file."""
    from impulsum_pipelines.webhooks.document import Document
    from impulsum_pipelines.webhooks.event import read

    written = Document(envelope)
    body = envelope.get("body")
    try:
        raw = body.encode() if isinstance(body, str) else base64.b64decode(written.text("body_base64") or "")
    except ValueError as error:
        raise _refused(f"The drop file holds no body: {error}", "correct the file.") from None
    own = written.part("headers")
    told = {name: value for name in own.names() if (value := own.text(name))}
    received_at = written.moment("received_at") or datetime.now(UTC)
    return read(envelope["source"], {**told, **headers}, raw, received_at, written.text("delivery"))


def _refused(what: str, next_step: str) -> ImpulsumError:
    return ImpulsumError(Category.CONFIGURATION, what, next_step=next_step)
