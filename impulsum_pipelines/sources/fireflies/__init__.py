"""Fireflies: meetings with their sentences, attendees and action items.

The API key (``FIREFLIES_API_KEY``) reads what its owner sees; the key of an administrator reads the team's meetings.
Rows land in ``raw/fireflies.duckdb``; :mod:`tables` says what they are. ``impulsum sync fireflies`` runs it alone.

Fireflies reports neither that a meeting changed nor that it is gone. So a pull lists the meetings of the last weeks
(light documents, 50 per request), compares each with its stored row, and reads whole only what is new or looks
different. A pull that finds nothing new, of a team with fewer than 50 meetings in three weeks, costs two requests.

Besides the nine files of every source: :mod:`queries` (which fields we ask for) and :mod:`listing` (a complete list of
one span).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from impulsum_pipelines.settings import Settings


def fireflies(*, since: date | datetime | None = None, settings: Settings | None = None) -> Any:
    """Fireflies as a plain dlt source, see :func:`impulsum_pipelines.sources.standalone.plain_source`."""
    from impulsum_pipelines.sources.standalone import plain_source

    return plain_source("fireflies", since=since, settings=settings)
