"""How GitHub shows what it stores: one JSON document per thing, in the shape of the REST API of 2022-11-28."""

from __future__ import annotations

from impulsum_pipelines.sandbox.github.documents.conversations import ConversationDocuments
from impulsum_pipelines.sandbox.github.documents.delivery import DeliveryDocuments


class GitHubDocuments(ConversationDocuments, DeliveryDocuments):
    """Every document of one world."""
