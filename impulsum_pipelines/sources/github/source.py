"""The dlt source of GitHub: one resource per table, all but one fed by one walk over the repositories.

The only module of the source that imports dlt: listing the tables must not cost that import.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.hints import hints
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.base.table import Table
from impulsum_pipelines.sources.github import rows
from impulsum_pipelines.sources.github.client import GitHubClient
from impulsum_pipelines.sources.github.repository import Batch
from impulsum_pipelines.sources.github.site import GitHubSite
from impulsum_pipelines.sources.github.tables import REPOSITORIES, TABLES
from impulsum_pipelines.sources.github.walk import GitHubWalk


def open_client(settings: Settings) -> GitHubClient:
    """A client for the configured GitHub."""
    return GitHubClient(settings)


def begin(client: GitHubClient, sync: Sync, settings: Settings) -> GitHubSite:
    """Start a sync: prove that the token works, and read GitHub's clock before any list."""
    site = GitHubSite(client, sync, settings)
    sync.site = client.api.site
    _ = site.visible
    return site


@dlt.source(name="github", max_table_nesting=0)
def build_source(client: GitHubClient, sync: Sync, site: GitHubSite) -> Any:
    """The dlt source of one sync."""
    walk = GitHubWalk(client, site, sync)

    @dlt.resource(name="batches", selected=False)
    def batches() -> Iterator[Batch]:
        for batch in walk.batches():
            if batch.items or batch.is_last:
                yield batch

    @dlt.resource(**hints(REPOSITORIES, sync.stored))
    def repositories() -> Iterator[Any]:
        yield from sync.changed_rows(REPOSITORIES, sync.parse(REPOSITORIES, rows.repository, site.visible))
        sync.found_all(Scan(REPOSITORIES.name, site.hidden, are_gone=True, unreachable=True))
        sync.stream(REPOSITORIES.name).ended = "complete"

    return batches, repositories, *(_resource(table, batches, sync) for table in TABLES if table is not REPOSITORIES)


def _resource(table: Table, batches: Any, sync: Sync) -> Any:
    """The resource of one table: its rows from the batches of the walk."""
    to_row = rows.TO_ROW[table.name]

    # Not a generator: dlt runs those side by side, and the last batch could overtake the one before it.
    @dlt.transformer(data_from=batches, **hints(table, sync.stored))
    def resource(batch: Batch) -> Any:
        if not batch.is_last and batch.table != table.name:
            return None
        parsed = sync.parse(table, lambda item: to_row(*item), batch.items)
        return list(sync.changed_rows(table, parsed, shared=True, more=not batch.is_last)) or None

    return resource
