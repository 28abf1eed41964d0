"""Whose meetings one sync sees: the owner of the API key, and how many meetings the account counts."""

from __future__ import annotations

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.fireflies.client import FirefliesClient
from impulsum_pipelines.sources.fireflies.queries import Document


class FirefliesSite:
    """The account of one sync. Made with one request, which proves that the key works.

    Attributes:
        owner: the owner of the key.
    """

    def __init__(self, client: FirefliesClient) -> None:
        self._client = client
        self.owner = client.account()

    def counted_meetings(self) -> int:
        """How many meetings the account says that it has, as of now.

        For an administrator these are the team's, where the plan lists the team; for others the owner's. They include
        meetings that are not shared with the owner of the key.
        """
        counts = [user.get("num_transcripts") for user in self._users()]
        return int(sum(count for count in counts if isinstance(count, int | float)))

    def _users(self) -> list[Document]:
        if self.owner.get("is_admin"):
            try:
                return self._client.team()
            except ImpulsumError as error:
                if error.category is not Category.PERMISSION:
                    raise
        return [self.owner]
