"""Notion: the pages that are shared with an integration, with their blocks and comments, data sources and users.

The token of an internal integration (``NOTION_TOKEN``) reads ``NOTION_API_URL``, with version 2026-03-11 of the API.
Rows land in ``raw/notion.duckdb``; :mod:`tables` says what they are. ``impulsum sync notion`` pulls this source only.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from impulsum_pipelines.settings import Settings


def notion(*, since: date | datetime | None = None, settings: Settings | None = None) -> Any:
    """Notion as a plain dlt source, see :func:`impulsum_pipelines.sources.standalone.plain_source`."""
    from impulsum_pipelines.sources.standalone import plain_source

    return plain_source("notion", since=since, settings=settings)
