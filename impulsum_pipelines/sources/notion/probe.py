"""Checks the Notion integration and what it may read, without reading the content of any page."""

from __future__ import annotations

from collections.abc import Iterator

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.notion.client import Document, NotionClient


def probe(settings: Settings) -> Iterator[tuple[str, str]]:
    """Try each thing that a sync needs, in order.

    Yields:
        What was tried, and Notion's answer in words.

    Raises:
        ImpulsumError: the first thing that does not work, with the next step.
    """
    client = NotionClient(settings)
    try:
        me = client.me()
        workspace = (me.get("bot") or {}).get("workspace_name") or "unknown"
        yield "integration", f"{me.get('name', 'unknown')}, workspace {workspace}"
        sources = next(client.search("data_source"))
        pages = next(client.search("page"))
        yield "shared", f"{_count(sources)} data sources and {_count(pages)} pages found by search"
        yield "users", f"{len(client.users())} members and integrations"
        if pages:
            yield "comments", f"{len(client.comments(str(pages[0]['id'])))} on the page edited last"
    finally:
        client.api.close()


def _count(first: list[Document]) -> str:
    return "100 or more" if len(first) >= 100 else str(len(first))
