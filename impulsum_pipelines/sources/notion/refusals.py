"""Turns Notion's refusals into errors, where the status alone does not say what they mean.

Vendor page: https://developers.notion.com/reference/status-codes.
"""

from __future__ import annotations

from typing import Any

import requests

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import NotFoundError, retry_after


class TooManyEntriesError(ImpulsumError):
    """A data source has more pages of one minute than a query gives, and no narrower query is possible."""

    def __init__(self, created_at: str | None, data_source_id: str) -> None:
        super().__init__(
            Category.BAD_DATA,
            f"More pages of one data source were created at {created_at} than one query gives",
            where=f"notion pages of data source {data_source_id}",
            safe="The pages that were found are loaded; the watermark was not moved.",
            next_step="split the data source, or stop sharing it with the integration: no narrower query is possible.",
        )


def to_error(response: requests.Response, body: Any) -> ImpulsumError | None:
    """The error in an answer; None when there is none, or when the status alone decides."""
    if response.status_code not in (403, 409, 429, 529):
        return None
    details = body if isinstance(body, dict) else {}
    if response.status_code in (429, 529):
        data = details.get("additional_data") or {}
        reason = data.get("rate_limit_reason") or details.get("code") or "no reason given"
        wait = retry_after(response.headers.get("Retry-After"))
        until = "" if wait is None else f", to be asked again after {wait:g} s"
        return ImpulsumError(
            Category.RATE_LIMIT,
            f"Notion limits requests ({reason}){until}",
            next_step="nothing: the next pull continues from the same watermark.",
            retry_after=wait,
        )
    if response.status_code == 409:
        return ImpulsumError(
            Category.SOURCE_OUTAGE,
            "Notion could not answer because of an edit at the same time",
            next_step="nothing: the next pull catches up.",
        )
    return ImpulsumError(
        Category.PERMISSION,
        f"The integration may not do this: {str(details.get('message', 'no reason given'))[:300]}",
        next_step="in Notion's settings of the integration, give it the capabilities to read content, comments and "
        "user information, then run again.",
    )


def lists_no_blocks(error: ImpulsumError) -> bool:
    """Whether Notion has no list of blocks for a block: it is gone, or of a type that the API does not list (400)."""
    return isinstance(error, NotFoundError) or error.category is Category.CONFIGURATION
