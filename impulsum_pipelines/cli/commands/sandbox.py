"""``impulsum sandbox``: local stand-ins for the six services."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from impulsum_pipelines.cli.console import notes
from impulsum_pipelines.errors import Category, ImpulsumError

if TYPE_CHECKING:
    from impulsum_pipelines.sandbox.jira.world import JiraWorld

DEFAULT_PORT = 8765

app = typer.Typer(no_args_is_help=True, help="Local stand-ins for the six services, over real HTTP.")

Port = Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=0, max=65535)]


@app.command()
def serve(
    port: Port = DEFAULT_PORT,
    seed: Annotated[int, typer.Option(help="The same seed generates the same history.")] = 1,
    issues: Annotated[int, typer.Option(help="How many issues to generate.", min=1)] = 500,
    jira_export: Annotated[
        Path | None, typer.Option(help="Serve this Jira export instead: JSON, one issue per line, may be .gz.")
    ] = None,
    now: Annotated[
        str | None, typer.Option(help="Start time of the sandbox's clock, such as 2026-11-01T00:00:00Z.")
    ] = None,
    latency_ms: Annotated[int, typer.Option(help="Milliseconds to wait before every answer.", min=0)] = 0,
    truth: Annotated[Path | None, typer.Option(help="Write the true velocity of every sprint to this file.")] = None,
) -> None:
    """Serve until interrupted. Once it listens, it prints the settings that point every source to it."""
    import requests

    from impulsum_pipelines.sandbox.server import env_lines, serve_sandbox
    from impulsum_pipelines.sandbox.worlds import make_world

    if jira_export and not jira_export.exists():
        raise ImpulsumError(
            Category.CONFIGURATION, f"There is no file {jira_export}", next_step="correct --jira-export."
        )
    moment = _moment(now)

    def world() -> JiraWorld:
        return make_world(seed=seed, issues=issues, now=moment, jira_export=jira_export, truth=truth)

    def ready(url: str) -> None:
        notes().print(f"The sandbox listens on {url}. Stop it with Ctrl-C.", highlight=False)
        for line in env_lines(int(url.rsplit(":", 1)[1])):
            typer.echo(line)
        if latency_ms:
            # The request waits in the queue of the socket until the server, which runs in this thread, reads it.
            threading.Thread(
                target=requests.post, args=(f"{url}/_sandbox/latency",), kwargs={"json": {"milliseconds": latency_ms}}
            ).start()

    serve_sandbox(world, port, ready)


@app.command()
def env(port: Port = DEFAULT_PORT) -> None:
    """Print the `export NAME=value` lines that point every source to the sandbox on this port."""
    from impulsum_pipelines.sandbox.server import env_lines

    for line in env_lines(port):
        typer.echo(line)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"--now {text} is not a time with a time zone",
            next_step="write it as 2026-11-01T00:00:00Z.",
        )
    return moment
