"""The dlt source of GitHub: a resource per table, all but one fed by one walk over the repositories.

The only module of the source that imports dlt; what merely asks which tables there are does not.
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
from impulsum_pipelines.sources.github.reading import Piece
from impulsum_pipelines.sources.github.site import GitHubSite
from impulsum_pipelines.sources.github.tables import REPOSITORIES, TABLES
from impulsum_pipelines.sources.github.walk import Walk


def open_client(settings: Settings) -> GitHubClient:
    """A client for the configured GitHub."""
    return GitHubClient(settings)


def begin(client: GitHubClient, sync: Sync, settings: Settings) -> GitHubSite:
    """The first read of a sync: proves that the token works, and reads GitHub's clock before any list."""
    site = GitHubSite(client, sync, settings)
    sync.site = client.api.site
    _ = site.visible
    return site


@dlt.source(name="github", max_table_nesting=0)
def build_source(client: GitHubClient, sync: Sync, site: GitHubSite) -> Any:
    """The dlt source of one sync."""
    walk = Walk(client, site, sync)

    @dlt.resource(name="pieces", selected=False)
    def pieces() -> Iterator[Piece]:
        for piece in walk.pieces():
            if piece.items or piece.is_last:
                yield piece

    @dlt.resource(**hints(REPOSITORIES, sync.held))
    def repositories() -> Iterator[Any]:
        yield from sync.changed_rows(REPOSITORIES, sync.parse(REPOSITORIES, rows.repository, site.visible))
        sync.found_all(Scan(REPOSITORIES.name, site.hidden, are_gone=True, unreachable=True))
        sync.stream(REPOSITORIES.name).ended = "complete"

    return pieces, repositories, *(_of(table, pieces, sync) for table in TABLES if table is not REPOSITORIES)


def _of(table: Table, pieces: Any, sync: Sync) -> Any:
    """The resource of one table: its rows out of the pieces of the walk."""
    shape = rows.OF_TABLE[table.name]

    # Not a generator: dlt runs those side by side, and the last piece could overtake the one before it.
    @dlt.transformer(data_from=pieces, **hints(table, sync.held))
    def resource(piece: Piece) -> Any:
        if not piece.is_last and piece.table != table.name:
            return None
        shaped = sync.parse(table, lambda item: shape(*item), piece.items)
        return list(sync.changed_rows(table, shaped, shared=True, more=not piece.is_last)) or None

    return resource
