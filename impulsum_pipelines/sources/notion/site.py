"""What is true of the whole workspace during one sync: what search found, and which data sources can be queried."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.notion.client import Document, NotionClient
from impulsum_pipelines.sources.notion.rows import parent_of
from impulsum_pipelines.sources.notion.tables import BLOCKS, COMMENTS, DATA_SOURCES


@dataclass
class GoneIds:
    """Ids of one table that are no longer there. Notion was asked for each of them, or for its parent."""

    #: In the trash, or deleted for good: Notion says so.
    deleted: set[str] = field(default_factory=set)
    #: Not found: unshared or deleted, Notion does not say which.
    hidden: set[str] = field(default_factory=set)

    def record(self, sync: Sync, table: str) -> None:
        """Record them as proof of absence. Nothing is guessed here, so no loss is too large to be believed."""
        sync.found_all(Scan(table, self.deleted, are_gone=True, guarded=False))
        sync.found_all(Scan(table, self.hidden, are_gone=True, unreachable=True))

    def record_contents(self, sync: Sync) -> None:
        """Record that the blocks and comments of these pages are gone with them."""
        for table in (BLOCKS.name, COMMENTS.name):
            sync.found_all(Scan(table, (), ("page_id",), self.deleted, guarded=False))
            sync.found_all(Scan(table, (), ("page_id",), self.hidden, unreachable=True))


class NotionSite:
    """One workspace during one sync.

    Args:
        client: the client.
        sync: the sync.
        found: pages and data sources that search found: a hint, neither complete nor up to date.
    """

    def __init__(self, client: NotionClient, sync: Sync, found: list[Document]) -> None:
        self._client = client
        self._sync = sync
        #: A first sync and a census read every page, others what changed.
        self.reads_everything = sync.is_first or sync.census
        self.page_hints = [document for document in found if document.get("object") == "page"]
        self._source_hints = {str(doc["id"]): doc for doc in found if doc.get("object") == "data_source"}
        stored = sync.stored.query(f"select id, database_id, title from raw.data_sources where {ALIVE}")
        self._stored = {source_id for source_id, _, _ in stored}
        self._settled = sync.stored.ids(DATA_SOURCES.name, settled=True)
        self._databases = {database_id for _, database_id, _ in stored}
        self.titles: dict[str, str] = {source_id: title or source_id for source_id, _, title in stored}
        #: Data sources that are gone.
        self.gone = GoneIds()
        #: Data sources that can be queried, once :meth:`read_data_sources` was called.
        self.ids: list[str] = []

    def read_data_sources(self) -> list[Document]:
        """The data sources that this sync reads again; sets :attr:`ids`."""
        due = self._sync.due(DATA_SOURCES)
        found = dict(self._source_hints)
        if due and not self.reads_everything:
            found |= {str(doc["id"]): doc for docs in self._client.search("data_source") for doc in docs}
        if due:  # search may leave some out: ask for these one by one
            for source_id in self._stored - found.keys():
                if document := self.data_source(source_id):
                    found[source_id] = document
        if self.reads_everything:
            for database_id in {parent_of(document)[1] for document in found.values()} - {None}:
                for document in self.data_sources_of(str(database_id), found.keys()):
                    found[str(document["id"])] = document
        self._note(list(found.values()))
        self.ids = [*found, *(self._stored - found.keys() - self.gone.deleted - self.gone.hidden)]
        return list(found.values())

    def data_sources_of(self, database_id: str, known: Container[str] = ()) -> list[Document]:
        """The data sources of a database, without the known ones."""
        try:
            listed = self._client.database(database_id).get("data_sources") or []
        except NotFoundError:  # a view of a database elsewhere, or not shared
            return []
        ids = [str(source["id"]) for source in listed]
        documents = [self.data_source(source_id) for source_id in ids if source_id not in known]
        found = [document for document in documents if document]
        self._note(found)
        return found

    def data_source(self, source_id: str) -> Document | None:
        """One data source, asked for by its id; None, and noted as gone, if it is in the trash or cannot be seen."""
        try:
            document = self._client.data_source(source_id)
        except NotFoundError:
            self.gone.hidden.add(source_id)
            return None
        if document.get("in_trash"):
            self.gone.deleted.add(source_id)
            return None
        return document

    def knows_database(self, database_id: str) -> bool:
        """Whether the data sources of a database are known."""
        return database_id in self._databases

    def is_new(self, source_id: str) -> bool:
        """Whether all pages of a data source must be read, however old, because none of them need be stored yet."""
        return source_id not in self._settled

    def stored_pages_of(self, source_id: str) -> set[str]:
        """Ids of the stored pages of a data source."""
        rows = self._sync.stored.query(f"select id from raw.pages where data_source_id = ? and {ALIVE}", [source_id])
        return {page_id for (page_id,) in rows}

    def _note(self, documents: list[Document]) -> None:
        for document in documents:
            self._databases.add(parent_of(document)[1])
            title = "".join(str(run.get("plain_text", "")) for run in document.get("title") or [])
            self.titles[str(document["id"])] = title or str(document["id"])
