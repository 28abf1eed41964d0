"""What is true of the whole workspace during one sync: its id, its conversations, and which of them can be read."""

from __future__ import annotations

import logging
from functools import cached_property
from urllib.parse import urlsplit

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.sync import Sync
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.slack import rows
from impulsum_pipelines.sources.slack.client import Document, SlackClient

log = logging.getLogger(__name__)

#: Kinds of conversations, with the prefix of their scopes: ``<prefix>:read`` to list, ``<prefix>:history`` to read.
SCOPES = {"public_channel": "channels", "private_channel": "groups", "mpim": "mpim", "im": "im"}


class SlackSite:
    """One workspace during one sync. It reads the list of conversations once, when it is first needed.

    Args:
        client: reads the workspace.
        sync: the sync.
        settings: the settings.
    """

    def __init__(self, client: SlackClient, sync: Sync, settings: Settings) -> None:
        self.client = client
        self.sync = sync
        self.thread_days = settings.slack.thread_days
        me, self._scopes = client.who_am_i()
        #: Host of the workspace, such as ``example.slack.com``.
        self.host = urlsplit(str(me.get("url"))).netloc or client.api.site
        self._refuse_other_workspace(str(me.get("team_id")))

    def _refuse_other_workspace(self, team_id: str) -> None:
        """Raise if the token is for another workspace than the stored rows: their ids must not mix."""
        stored = self.sync.memory.get("team")
        if stored not in (None, team_id):
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"The token is for another workspace: {team_id}, but the stored rows are from {stored}",
                where=f"slack {self.host}",
                next_step=f"set the token of workspace {stored}, or use another IMPULSUM_HOME for workspace {team_id}.",
            )
        self.sync.memory["team"] = team_id

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of conversations that the token may list. Slack refuses a list that asks for any other kind.

        Raises:
            ImpulsumError: of category permission when the token may list none.
        """
        if self._scopes is None:
            return tuple(SCOPES)
        kinds = tuple(kind for kind, prefix in SCOPES.items() if f"{prefix}:read" in self._scopes)
        if not kinds:
            raise ImpulsumError(
                Category.PERMISSION,
                "The app lacks the scope channels:read",
                where=f"slack {self.host}",
                next_step="add channels:read and channels:history (groups:*, im:*, mpim:* for private conversations) "
                "to the app's bot token scopes, install the app again, and run again.",
            )
        return kinds

    @cached_property
    def channels(self) -> list[Document]:
        """Every conversation that the bot can see."""
        return self.client.channels(self.kinds)

    @cached_property
    def readable(self) -> list[Document]:
        """Conversations that the bot is in and that its scopes let it read."""
        chosen = [channel for channel in self.channels if rows.is_member(channel) and self._may_read(channel)]
        if not chosen:
            log.warning("The bot is in none of %d channels of %s: invite it.", len(self.channels), self.host)
        return chosen

    def _may_read(self, channel: Document) -> bool:
        return self._scopes is None or f"{SCOPES[rows.type_of(channel)]}:history" in self._scopes

    @cached_property
    def out_of_sight(self) -> set[str]:
        """Ids of conversations with stored messages or members that can no longer be read.

        Archived ones do not count: nothing changes there any more, so the stored rows stay true.
        """
        stored = {
            channel_id
            for table in ("messages", "members")
            for (channel_id,) in self.sync.stored.query(f"select distinct channel_id from raw.{table} where {ALIVE}")
        }
        archived = {str(channel["id"]) for channel in self.channels if channel.get("is_archived")}
        return stored - {str(channel["id"]) for channel in self.readable} - archived
