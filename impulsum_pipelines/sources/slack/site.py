"""What is true of the workspace during one sync: who we are, which conversations there are, and which can be read."""

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

#: Kinds of conversations and the scopes that each asks for: ``<prefix>:read`` to list, ``<prefix>:history`` to read.
SCOPES = {"public_channel": "channels", "private_channel": "groups", "mpim": "mpim", "im": "im"}


class SlackSite:
    """One workspace during one sync. The list of conversations is one read, done when first needed.

    Args:
        client: reads it.
        sync: the sync.
        settings: the settings.
    """

    def __init__(self, client: SlackClient, sync: Sync, settings: Settings) -> None:
        self.client = client
        self.sync = sync
        self.thread_days = settings.slack_thread_days
        me, self._scopes = client.who_am_i()
        self.site = urlsplit(str(me.get("url"))).netloc or client.api.site
        self._stay_in(str(me.get("team_id")))

    def _stay_in(self, team_id: str) -> None:
        """Ids of two workspaces must not mix: a token of another one is refused."""
        before = self.sync.memory.get("team")
        if before not in (None, team_id):
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"The token is one of another workspace: {team_id}, while {before} is held",
                where=f"slack {self.site}",
                next_step="set the token of the workspace that is held, or use another IMPULSUM_HOME for the new one.",
            )
        self.sync.memory["team"] = team_id

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of conversations that the token may list; Slack refuses a list that asks for one more.

        Raises:
            ImpulsumError: of category permission when that is none.
        """
        if self._scopes is None:
            return tuple(SCOPES)
        kinds = tuple(kind for kind, prefix in SCOPES.items() if f"{prefix}:read" in self._scopes)
        if not kinds:
            raise ImpulsumError(
                Category.PERMISSION,
                "The app lacks the scope channels:read",
                where=f"slack {self.site}",
                next_step="add channels:read and channels:history (groups:*, im:*, mpim:* for private conversations) "
                "to the app's bot token scopes, install the app again, and run.",
            )
        return kinds

    @cached_property
    def channels(self) -> list[Document]:
        """Every conversation that the bot is told of."""
        return self.client.channels(self.kinds)

    @cached_property
    def readable(self) -> list[Document]:
        """Conversations that the bot is in, as far as its scopes go."""
        chosen = [channel for channel in self.channels if rows.is_member(channel) and self._may_read(channel)]
        if not chosen:
            log.warning("The bot is in none of %d channels of %s: invite it.", len(self.channels), self.site)
        return chosen

    def _may_read(self, channel: Document) -> bool:
        return self._scopes is None or f"{SCOPES[rows.type_of(channel)]}:history" in self._scopes

    @cached_property
    def out_of_sight(self) -> set[str]:
        """Conversations of which messages or members are held and which can no longer be read.

        Not those that were archived: nothing happens there any more, so what is held stays true.
        """
        held = {
            channel_id
            for table in ("messages", "members")
            for (channel_id,) in self.sync.held.query(f"select distinct channel_id from raw.{table} where {ALIVE}")
        }
        archived = {str(channel["id"]) for channel in self.channels if channel.get("is_archived")}
        return held - {str(channel["id"]) for channel in self.readable} - archived
