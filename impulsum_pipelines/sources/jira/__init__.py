"""Jira Cloud: issues with their complete history, comments, links, worklogs, sprints, boards and reference tables.

The account's API token (``JIRA_EMAIL``, ``JIRA_API_TOKEN``) reads ``JIRA_BASE_URL``. Rows land in
``raw/jira.duckdb``; :mod:`tables` says what they are. ``impulsum sync jira`` runs it alone.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from impulsum_pipelines.settings import Settings


def jira(*, since: date | datetime | None = None, settings: Settings | None = None) -> Any:
    """Jira as a plain dlt source, see :func:`impulsum_pipelines.sources.standalone.plain_source`."""
    from impulsum_pipelines.sources.standalone import plain_source

    return plain_source("jira", since=since, settings=settings)
