"""``python -m impulsum_pipelines.sandbox``: the sandbox as a process of its own.

Writes one line with its URL to standard output as soon as it listens.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from impulsum_pipelines.sandbox.server import serve_sandbox
from impulsum_pipelines.sandbox.worlds import make_world


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone; write it as 2026-11-01T00:00:00Z")
    return moment


def _announce(url: str) -> None:
    sys.stdout.write(f"sandbox listens on {url}\n")
    sys.stdout.flush()


def serve_from_command_line(arguments: list[str] | None = None) -> None:
    """Serve until the process is interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m impulsum_pipelines.sandbox",
        description="Serve a stand-in of the six sources on this machine until interrupted.",
    )
    parser.add_argument("--port", type=int, default=8765, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same history")
    parser.add_argument("--issues", type=int, default=500, help="how many issues to generate")
    parser.add_argument("--now", type=_moment, help="where the clock starts, such as 2026-11-01T00:00:00Z")
    parser.add_argument("--jira-export", type=Path, help="serve this export instead, one JSON issue per line")
    parser.add_argument("--document-bytes", type=int, help="pad issues to about this many bytes")
    parser.add_argument("--time-zone", default="Etc/UTC", help="zone of the token user's profile")
    parser.add_argument("--truth", type=Path, help="write the truth about every sprint to this file")
    options = vars(parser.parse_args(arguments))
    port = options.pop("port")
    serve_sandbox(lambda: make_world(**options), port, _announce)


if __name__ == "__main__":
    serve_from_command_line()
