"""``impulsum``: the command line. Data goes to stdout, everything else to stderr.

The exit code is 0 only when everything asked for is done, 2 when the command or a setting must be corrected, and 1
otherwise.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from impulsum_pipelines.cli.commands import (
    alerts,
    data,
    demo,
    doctor,
    history,
    jobs,
    sandbox,
    status,
    story,
    triage,
    webhooks,
)
from impulsum_pipelines.cli.console import notes
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import read_env_file

log = logging.getLogger(__name__)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Pull a team's tools, prove that the data is complete, and publish velocity and risks in one DuckDB file.",
)
for module in (demo, jobs, status, history, doctor, data, story):
    module.register(app)
app.add_typer(alerts.app, name="alerts")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(triage.app, name="triage")
app.add_typer(webhooks.app, name="webhooks")


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Log every step to stderr, and show tracebacks.")] = False,
) -> None:
    """Set up logging: silent without --debug."""
    logging.basicConfig(level=logging.DEBUG if debug else logging.CRITICAL, stream=sys.stderr, force=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, with the variables of ``.env`` in the working folder. Ends with ``SystemExit``."""
    try:
        read_env_file(Path.cwd())
        app(args=None if arguments is None else list(arguments))
    except ImpulsumError as error:
        log.debug("The error with its traceback:", exc_info=True)
        notes().print(str(error), style="red", markup=False, highlight=False)
        sys.exit(2 if error.category is Category.CONFIGURATION else 1)
