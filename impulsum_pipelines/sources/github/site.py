"""Which repositories one sync reads: those that the settings name, as far as the account sees them now."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.github.client import GitHubClient
from impulsum_pipelines.sources.github.rows import Document


class GitHubSite:
    """The repositories of one sync, each read once.

    Attributes:
        names: by each name in the settings, the ids that it stood for when it was last visible; known with
            :attr:`visible`.
    """

    names: dict[str, list[int]]

    def __init__(self, client: GitHubClient, sync: Sync, settings: Settings) -> None:
        self._client = client
        self._sync = sync
        self._wanted = settings.github.repositories
        #: Ids of stored repositories whose names were refused: whether they still exist is unknown.
        self._refused: set[str] = set()

    @cached_property
    def visible(self) -> list[Document]:
        """The repositories that the settings name, by name or by owner, and that the account sees.

        When GitHub refuses one name, as for an organization that wants the token authorized first, the others are read
        and the sync fails at its end.

        Raises:
            ImpulsumError: of category permission when a named one was never visible, or when all are refused.
        """
        found: dict[int, Document] = {}
        known: dict[str, Any] = self._sync.memory.get("names", {})
        names: dict[str, list[int]] = {}
        unseen = []
        refusals = []
        for name in self._wanted:
            try:
                documents = (
                    [self._client.repository(name)] if "/" in name else self._client.repositories_of(name)
                )  # fmt: skip
            except NotFoundError:
                documents = []
                if name not in known and not self._stored_ids(name):
                    unseen.append(name)
            except ImpulsumError as error:
                if error.category is not Category.PERMISSION:
                    raise
                error.where = f"{error.where}, {name}"
                refusals.append(error)
                documents = []
                self._refused |= {*map(str, known.get(name, [])), *self._stored_ids(name)}
            names[name] = [document["id"] for document in documents] or known.get(name, [])
            found.update({document["id"]: document for document in documents})
        if unseen:
            raise ImpulsumError(
                Category.PERMISSION,
                f"{', '.join(unseen)} of GITHUB_REPOSITORIES cannot be seen with this token",
                where=f"GitHub repositories at {self._sync.site}",
                next_step="give the token access to them, or correct GITHUB_REPOSITORIES.",
            )
        if refusals and not found:
            raise refusals[0]
        for refusal in refusals:
            refusal.safe = "The other repositories are loaded; the watermark was not moved."
            self._sync.fail(refusal)
        self.names = names
        return list(found.values())

    def _stored_ids(self, name: str) -> set[str]:
        """Ids of the stored repositories with this full name, or of this owner."""
        column = "full_name" if "/" in name else "owner"
        rows = self._sync.stored.query(f"select id from raw.repositories where lower({column}) = ?", [name.lower()])
        return {row_id for (row_id,) in rows}

    @cached_property
    def hidden(self) -> list[str]:
        """Ids of stored repositories that are no longer visible."""
        seen = {str(document["id"]) for document in self.visible}
        return sorted(self._sync.stored.ids("repositories", alive=False) - seen - self._refused)
