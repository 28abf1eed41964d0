"""Tempo Timesheets for Jira Cloud: logged hours, planned time, accounts, teams and who is in them.

The token (``TEMPO_API_TOKEN``) is a user's who may view all worklogs; it reads ``TEMPO_API_URL``. Rows land in
``raw/tempo.duckdb``; :mod:`tables` says what they are. ``impulsum sync tempo`` runs it alone.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from impulsum_pipelines.settings import Settings


def tempo(*, since: date | datetime | None = None, settings: Settings | None = None) -> Any:
    """Tempo as a plain dlt source, see :func:`impulsum_pipelines.sources.standalone.plain_source`."""
    from impulsum_pipelines.sources.standalone import plain_source

    return plain_source("tempo", since=since, settings=settings)
