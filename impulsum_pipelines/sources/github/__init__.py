"""GitHub: repositories, pull requests with reviews and commits, comments, issues, releases, deployments, runs.

The token (``GITHUB_TOKEN``) reads ``GITHUB_REPOSITORIES`` over REST. Rows land in ``raw/github.duckdb``;
:mod:`tables` says what they are. ``impulsum sync github`` runs it alone.

Besides the nine files of every source: :mod:`repository` (one repository in one sync), and what is read of it, one file
per family of lists: :mod:`pull_requests` (with reviews and commits) and :mod:`deployments` (with releases and runs).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from impulsum_pipelines.settings import Settings


def github(*, since: date | datetime | None = None, settings: Settings | None = None) -> Any:
    """GitHub as a plain dlt source, see :func:`impulsum_pipelines.sources.standalone.plain_source`."""
    from impulsum_pipelines.sources.standalone import plain_source

    return plain_source("github", since=since, settings=settings)
