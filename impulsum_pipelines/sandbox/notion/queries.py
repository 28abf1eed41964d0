"""Filters and sorts by time of a data source query; and refusals in Notion's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from impulsum_pipelines.sandbox.clock import to_ms
from impulsum_pipelines.sandbox.notion.world import NotionPage
from impulsum_pipelines.sandbox.refusal import Refusal
from impulsum_pipelines.sources.base.values import as_datetime

_FIELDS = {"created_time": "created", "last_edited_time": "edited"}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "on_or_after": lambda value, bound: value >= bound,
    "after": lambda value, bound: value > bound,
    "on_or_before": lambda value, bound: value <= bound,
    "before": lambda value, bound: value < bound,
}


class NotionRefusal(Refusal):
    """An error answer: https://developers.notion.com/reference/status-codes."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        additional_data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        more = {"additional_data": additional_data} if additional_data else {}
        super().__init__(
            status, {"object": "error", "status": status, "code": code, "message": message, **more}, headers
        )


def _minutes(page: NotionPage, name: str) -> int:
    value: int = getattr(page, _FIELDS[name])
    return value - value % 60_000


def _passes(page: NotionPage, condition: dict[str, Any]) -> bool:
    if "and" in condition:
        return all(_passes(page, part) for part in condition["and"])
    if "or" in condition:
        return any(_passes(page, part) for part in condition["or"])
    name = condition.get("timestamp")
    if name not in _FIELDS:
        raise NotionRefusal(400, "validation_error", "body failed validation: body.filter.timestamp should be defined.")
    for comparison, bound in condition[name].items():
        parsed = as_datetime(bound)
        if comparison not in _COMPARE or parsed is None:
            raise NotionRefusal(400, "validation_error", f"body failed validation: body.filter.{name}.{comparison}.")
        if not _COMPARE[comparison](_minutes(page, name), to_ms(parsed)):
            return False
    return True


def matching(
    pages: Sequence[NotionPage], condition: dict[str, Any] | None, sorts: Sequence[dict[str, Any]]
) -> list[NotionPage]:
    """The pages that pass the filter, sorted; ties are sorted by id. Times are compared to the minute, as shown."""
    found = sorted((page for page in pages if not condition or _passes(page, condition)), key=lambda page: page.id)
    for sort in reversed(sorts):
        name = sort.get("timestamp", "")
        if name not in _FIELDS:
            raise NotionRefusal(
                400, "validation_error", "body failed validation: body.sorts[0].timestamp should be defined."
            )
        found.sort(key=lambda page, name=name: _minutes(page, name), reverse=sort.get("direction") == "descending")  # type: ignore[misc]
    return found
