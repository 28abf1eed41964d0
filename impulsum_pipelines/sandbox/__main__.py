"""``python -m impulsum_pipelines.sandbox``: the sandbox as a process of its own.

Writes one line with its URL to standard output when it listens.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

import orjson

from impulsum_pipelines.sandbox.jira.history.generator import generate
from impulsum_pipelines.sandbox.jira.world import JiraWorld
from impulsum_pipelines.sandbox.server import serve


def build(
    *,
    seed: int = 1,
    issues: int = 500,
    now: datetime | None = None,
    jira_export: Path | None = None,
    document_bytes: int | None = None,
    time_zone: str = "Etc/UTC",
    truth: Path | None = None,
) -> JiraWorld:
    """The world that the command line asks for: a generated one, or a real export.

    Args:
        seed, issues, document_bytes: see :func:`impulsum_pipelines.sandbox.jira.history.generator.generate`.
        now: where the clock starts, aware; real now when None.
        jira_export: file of issues, one JSON document a line; a generated history when None.
        time_zone: zone of the token user's profile.
        truth: where the truth about every sprint is written as JSON; nowhere when None.
    """
    if jira_export:
        from impulsum_pipelines.sandbox.jira.history.export import read_export

        world = read_export(jira_export, now=now, time_zone=time_zone)
    else:
        world = generate(seed=seed, issues=issues, now=now, document_bytes=document_bytes, time_zone=time_zone)
    if truth:
        truth.parent.mkdir(parents=True, exist_ok=True)
        truth.write_bytes(orjson.dumps(world.truth(), option=orjson.OPT_INDENT_2))
    return world


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} needs a zone, such as 2026-11-01T00:00:00Z")
    return moment


def _say(url: str) -> None:
    sys.stdout.write(f"sandbox listens on {url}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m impulsum_pipelines.sandbox", description=build.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--issues", type=int, default=500)
    parser.add_argument("--now", type=_moment)
    parser.add_argument("--jira-export", type=Path)
    parser.add_argument("--document-bytes", type=int)
    parser.add_argument("--time-zone", default="Etc/UTC")
    parser.add_argument("--truth", type=Path)
    options = vars(parser.parse_args(arguments))
    port = options.pop("port")
    serve(lambda: build(**options), port, _say)


if __name__ == "__main__":
    main()
