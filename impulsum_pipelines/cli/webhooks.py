"""``impulsum webhooks``: the receiver of what the tools say by themselves."""

from __future__ import annotations

import logging
import sys
import time
from typing import Annotated

import typer

from impulsum_pipelines.cli.console import notes
from impulsum_pipelines.settings import Settings, load_settings

DEFAULT_PORT = 8780

app = typer.Typer(no_args_is_help=True, help="What the tools say by themselves, taken in as drop files.")


@app.callback()
def webhooks() -> None:
    """Keep `serve` a word of its own, though it is the only one."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = DEFAULT_PORT,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Take deliveries of sources without a secret, too.")
    ] = False,
) -> None:
    """Receive webhook deliveries until interrupted. Prints the URL of each source once it listens."""
    from impulsum_pipelines.webhooks.serving import is_loopback
    from impulsum_pipelines.webhooks.serving import serve as serve_receiver

    settings = load_settings()
    _log_to_stderr()
    if not is_loopback(host):
        notes().print(
            f"{host} is reached from other machines: put a proxy with TLS in front, for deliveries are not secret to "
            "who reads along",
            style="yellow",
            highlight=False,
        )

    def ready(url: str) -> None:
        notes().print(f"The receiver listens on {url}. Stop it with Ctrl-C.", highlight=False)
        _show_sources(settings, url, allow_unsigned=allow_unsigned)

    serve_receiver(settings, host, port, ready, allow_unsigned=allow_unsigned)


def _show_sources(settings: Settings, url: str, *, allow_unsigned: bool) -> None:
    from impulsum_pipelines.webhooks.vendors import VENDORS

    without = "taken unsigned" if allow_unsigned else "refused"
    for source in VENDORS:
        held = (
            "signed" if settings.webhook_secrets(source) else f"{without}, {source.upper()}_WEBHOOK_SECRET is not set"
        )
        typer.echo(f"{url}/webhooks/{source}  {held}")


def _log_to_stderr() -> None:
    """One line a request, with its time in UTC: a service that says nothing cannot be looked after."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logger = logging.getLogger("impulsum_pipelines.webhooks")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
