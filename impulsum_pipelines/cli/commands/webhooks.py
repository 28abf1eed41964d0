"""``impulsum webhooks``: the receiver of webhooks, and whether webhooks report every change."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import age, format_value, notes, show_json, show_table
from impulsum_pipelines.settings import Settings, load_settings

if TYPE_CHECKING:
    from impulsum_pipelines.webhooks.health.report import Standing

DEFAULT_PORT = 8780

app = typer.Typer(no_args_is_help=True, help="Receive webhooks as drop files, and check that none is missing.")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = DEFAULT_PORT,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Also accept deliveries of sources without a secret.")
    ] = False,
) -> None:
    """Receive webhooks until interrupted. Once it listens, it prints the URL of each source."""
    from impulsum_pipelines.webhooks.receiving.serving import is_loopback, serve_receiver

    settings = load_settings()
    _log_to_stderr()
    if not is_loopback(host):
        notes().print(
            f"Other machines can reach {host}. Put a proxy with TLS in front, so that nobody on the network can read "
            "the deliveries.",
            style="yellow",
            highlight=False,
        )

    def ready(url: str) -> None:
        notes().print(f"The receiver listens on {url}. Stop it with Ctrl-C.", highlight=False)
        _show_sources(settings, url, allow_unsigned=allow_unsigned)

    serve_receiver(settings, host, port, ready, allow_unsigned=allow_unsigned)


@app.command()
def health(
    days: Annotated[int, typer.Option(min=1, max=400, help="Days (UTC) to show, today included.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Compare webhooks with pulls, for each source: its mode, its delivery rate, and what was missed."""
    from impulsum_pipelines.webhooks.health.report import rate, standings

    found = standings(load_settings(), at=datetime.now(UTC), days=days)
    if as_json:
        show_json([_document(standing) for standing in found])
        return
    show_table(
        (
            "source",
            "mode",
            "last event",
            "events",
            "changes pulled",
            "reported",
            "missed",
            "delivery rate",
            "not pulled yet",
            "overdue",
        ),
        [
            (
                standing.source.name,
                _mode(standing),
                age(standing.last_event_at),
                sum(day.events for day in standing.days),
                sum(day.told + day.missed for day in standing.days),
                sum(day.told for day in standing.days),
                sum(day.missed for day in standing.days),
                _percent(rate(standing.days)),
                standing.waiting,
                len(standing.unseen),
            )
            for standing in found
        ],
        title=f"the last {days} days (UTC)",
    )
    _show_more(found)
    for trouble in filter(None, (standing.trouble for standing in found)):
        notes().print(trouble, style="yellow", highlight=False)


def _show_more(found: list[Standing]) -> None:
    """Each day, each missed range and each event that no pull shows, where there are any."""
    listed = {
        "delivery rate": (
            ("day", "source", "events", "reported", "missed", "not watched", "rate"),
            [
                (day.day, standing.source.name, day.events, day.told, day.missed, day.unwatched, _percent(day.rate))
                for standing in found
                for day in standing.days
                if day.told or day.missed
            ],
        ),
        "missed ranges": (
            ("from (UTC)", "to", "source", "what", "changes", "status", "covered by", "how"),
            [tuple(span[name] for name in _RANGE) for standing in found for span in standing.ranges],
        ),
        "events that no pull shows": (
            ("event", "happened (UTC)", "source", "type", "about", "title"),
            [
                (
                    event["id"],
                    event["occurred_at"],
                    standing.source.name,
                    event["type"],
                    ", ".join(event["subjects"][:2]),
                    event["title"],
                )
                for standing in found
                for event in standing.unseen
            ],
        ),
    }
    for title, (columns, rows) in listed.items():
        if rows:
            typer.echo()
            show_table(columns, rows, title=title)


_RANGE = ("from_at", "to_at", "source", "what", "changes", "status", "covered_by", "note")


def _mode(standing: Standing) -> str:
    return f"{standing.mode} since {format_value(standing.since)}" if standing.since else standing.mode


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f} %"


def _document(standing: Standing) -> dict[str, Any]:
    days = [asdict(day) | {"rate": day.rate} for day in standing.days]
    return asdict(standing) | {"source": standing.source.name, "days": days, "trouble": standing.trouble}


def _show_sources(settings: Settings, url: str, *, allow_unsigned: bool) -> None:
    from impulsum_pipelines.webhooks.receiving.vendors import VENDORS

    without = "accepted unsigned" if allow_unsigned else "refused"
    for source in VENDORS:
        has_secret = bool(settings.source(source).webhook_secrets())
        signing = "signed" if has_secret else f"{without}, {source.upper()}_WEBHOOK_SECRET is not set"
        typer.echo(f"{url}/webhooks/{source}  {signing}")


def _log_to_stderr() -> None:
    """Log one line per request to stderr, with its time in UTC."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logger = logging.getLogger("impulsum_pipelines.webhooks")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
