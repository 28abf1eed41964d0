"""A sync of Notion through the public door, and what is stored afterwards."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sources.notion.tables import TABLES
from impulsum_pipelines_tests.sources.pulls import BOOKKEEPING, Pulls

NOW = "2026-11-01T12:00:00Z"

notion = Pulls("notion")
sync, held, one, alive = notion.sync, notion.held, notion.one, notion.alive


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table without its payload, whose file addresses are signed again for each answer."""
    payload = {table.name: [c.name for c in table.all_columns if c.name not in BOOKKEEPING] for table in TABLES}
    cut = {name: columns.index("payload") for name, columns in payload.items()}
    return {
        name: [row[: cut[name]] + row[cut[name] + 1 :] for row in rows] for name, rows in notion.everything().items()
    }


def differences(site: Any) -> dict[str, dict[str, Any]]:
    """How the stored rows differ from the workspace's truth; empty when right."""
    return notion.differences(site.control("notion/truth"))


def later(site: Any, minutes: float = 60) -> None:
    """Let time pass at the source."""
    site.control("clock", advance_seconds=minutes * 60)


def asked(site: Any) -> int:
    """Requests to Notion since the last call of this."""
    return sum(n for path, n in site.requests(reset=True).items() if " /notion/" in path)


def source_named(title: str) -> str:
    """The id of a stored data source."""
    return str(one("select id from raw.data_sources where title = ?", title))


def page_of(title: str, number: int = 0) -> str:
    """The id of a stored page of a data source."""
    rows = held(
        "select id from raw.pages where data_source_id = ? and deleted_at is null order by created_at, id",
        source_named(title),
    )
    return str(rows[number][0])
