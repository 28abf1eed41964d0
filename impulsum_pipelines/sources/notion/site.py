"""Where pages can be: the data sources that are shared with the integration, and what became of those that are not."""

from __future__ import annotations

from dataclasses import dataclass, field

from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.notion.client import Document, NotionClient
from impulsum_pipelines.sources.notion.rows import parent_of
from impulsum_pipelines.sources.notion.tables import BLOCKS, COMMENTS, DATA_SOURCES


@dataclass
class Gone:
    """Ids of one table that are no longer there: each was asked for, or what holds it was."""

    #: In the trash, or deleted for good: the source says so.
    deleted: set[str] = field(default_factory=set)
    #: Not found: unshared or deleted, the source does not tell which.
    hidden: set[str] = field(default_factory=set)

    def record(self, sync: Sync, table: str) -> None:
        """Record it as proof of absence. Nothing is guessed here, so no loss is too large to be believed."""
        sync.found_all(Scan(table, self.deleted, are_gone=True, guarded=False))
        sync.found_all(Scan(table, self.hidden, are_gone=True, unreachable=True))

    def record_under(self, sync: Sync) -> None:
        """Record that what belongs to these pages went with them."""
        for table in (BLOCKS.name, COMMENTS.name):
            sync.found_all(Scan(table, (), ("page_id",), self.deleted, guarded=False))
            sync.found_all(Scan(table, (), ("page_id",), self.hidden, unreachable=True))


class Places:
    """The data sources of one sync.

    Args:
        client: the client.
        sync: the sync.
        named: what search gave: a hint.
        whole: read everything; else only what is new, and what there is where that is due.
    """

    def __init__(self, client: NotionClient, sync: Sync, named: list[Document], *, whole: bool) -> None:
        self._client = client
        self._sync = sync
        self._whole = whole
        held = sync.held.query(f"select id, database_id, title from raw.data_sources where {ALIVE}")
        self.held = {source_id for source_id, _, _ in held}
        self._read = sync.held.ids(DATA_SOURCES.name, settled=True)
        self._databases = {database_id for _, database_id, _ in held}
        self._hints = {str(doc["id"]): doc for doc in named if doc.get("object") == "data_source"}
        self.titles: dict[str, str] = {source_id: title or source_id for source_id, _, title in held}
        self.gone = Gone()

    def documents(self) -> list[Document]:
        """The data sources that were read afresh. Afterwards :attr:`ids` has all that can be queried."""
        due = self._sync.due(DATA_SOURCES)
        found = dict(self._hints)
        if due and not self._whole:
            found |= {str(doc["id"]): doc for docs in self._client.search("data_source") for doc in docs}
        if due:  # search is not exhaustive: what it left out is asked for
            for source_id in self.held - found.keys():
                if document := self.checked(source_id):
                    found[source_id] = document
        if self._whole:
            for database_id in {parent_of(document)[1] for document in found.values()} - {None}:
                for document in self.of_database(str(database_id), found.keys()):
                    found[str(document["id"])] = document
        self._note(list(found.values()))
        self.ids = [*found, *(self.held - found.keys() - self.gone.deleted - self.gone.hidden)]
        return list(found.values())

    def of_database(self, database_id: str, known: object = ()) -> list[Document]:
        """The data sources of a database that are not known yet."""
        try:
            listed = self._client.database(database_id).get("data_sources") or []
        except NotFoundError:  # a view of a database elsewhere, or not shared
            return []
        ids = [str(source["id"]) for source in listed]
        documents = [self.checked(source_id) for source_id in ids if source_id not in known]  # type: ignore[operator]  # any container of ids
        found = [document for document in documents if document]
        self._note(found)
        return found

    def is_known(self, database_id: str) -> bool:
        """Whether a database's data sources are known."""
        return database_id in self._databases

    def is_new(self, source_id: str) -> bool:
        """Whether nothing of a data source need be held: its past must be read, however old."""
        return source_id not in self._read

    def checked(self, source_id: str) -> Document | None:
        """A data source asked for by its id; None, and noted as gone, where it is in the trash or not to be seen."""
        try:
            document = self._client.data_source(source_id)
        except NotFoundError:
            self.gone.hidden.add(source_id)
            return None
        if document.get("in_trash"):
            self.gone.deleted.add(source_id)
            return None
        return document

    def pages_of(self, source_id: str) -> set[str]:
        """Ids of the pages of a data source that are held."""
        rows = self._sync.held.query(f"select id from raw.pages where data_source_id = ? and {ALIVE}", [source_id])
        return {page_id for (page_id,) in rows}

    def _note(self, documents: list[Document]) -> None:
        for document in documents:
            self._databases.add(parent_of(document)[1])
            titles = "".join(str(run.get("plain_text", "")) for run in document.get("title") or [])
            self.titles[str(document["id"])] = titles or str(document["id"])
