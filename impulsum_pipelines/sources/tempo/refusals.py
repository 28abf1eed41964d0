"""Tempo's refusals as errors with a category and a next step."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import retry_after

#: Shortest wait after a 429, s, as the vendor asks for.
LEAST_WAIT = 1.0


def to_error(response: requests.Response, body: Any) -> ImpulsumError | None:
    """The answer as an error; None where its status alone says enough."""
    site = urlsplit(str(response.url)).netloc
    if response.status_code == 429 and (asked := retry_after(response.headers.get("Retry-After"))) is not None:
        wait = max(asked, LEAST_WAIT)
        return ImpulsumError(
            Category.RATE_LIMIT,
            f"{site} limits requests, to be asked again after {wait:g} s",
            next_step="nothing: the next pull continues from the same watermark.",
            retry_after=wait,
        )
    if response.status_code == 401:
        return ImpulsumError(
            Category.AUTHENTICATION,
            f"{site} refused the token{_reason_in(body)}",
            next_step="check TEMPO_API_TOKEN (Tempo > Settings > API integration), and that TEMPO_API_URL is the "
            "region that has the data: api.tempo.io, api.eu.tempo.io or api.us.tempo.io.",
        )
    if response.status_code == 403:
        return ImpulsumError(
            Category.PERMISSION,
            f"The token's user may not read this{_reason_in(body)}",
            next_step="ask a Tempo administrator for the permission (View all worklogs; audit log; plans; teams).",
        )
    if response.status_code == 400:
        return ImpulsumError(
            Category.CONFIGURATION,
            f"{site} answered 400{_reason_in(body)}",
            next_step="correct the setting that the message names; if it names none, report it as a bug.",
        )
    return _cut_short(site, response, body)


def _cut_short(site: str, response: requests.Response, body: Any) -> ImpulsumError | None:
    """An error when a page has another number of results than it says."""
    if not response.ok or not isinstance(body, dict):
        return None
    counted, results = (body.get("metadata") or {}).get("count"), body.get("results")
    if isinstance(counted, int) and isinstance(results, list) and counted != len(results):
        return ImpulsumError(
            Category.BAD_DATA,
            f"{site} sent a page of {len(results)} results that says it has {counted}",
            next_step="run again; if it stays, a proxy may cut answers.",
        )
    return None


def _reason_in(body: Any) -> str:
    """Tempo's own message, shortened: ``errors`` is one message or a list of them."""
    errors = body.get("errors") if isinstance(body, dict) else None
    listed = errors if isinstance(errors, list) else [errors]
    texts = [str(error["message"]) for error in listed if isinstance(error, dict) and error.get("message")]
    return f": {' '.join(texts)[:300]}" if texts else ""
