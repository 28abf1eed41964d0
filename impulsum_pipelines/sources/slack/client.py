"""The methods of Slack's Web API that we use: one Python method each, paging included.

Vendor pages: https://docs.slack.dev/reference/methods and https://docs.slack.dev/apis/web-api/rate-limits. Every
request is a GET with the bot token in the header.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pyrate_limiter import Duration, Rate

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import Api, BearerAuth
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.base.paging import Paging
from impulsum_pipelines.sources.registry import off_error
from impulsum_pipelines.sources.slack.refusals import to_error

log = logging.getLogger(__name__)

Document = dict[str, Any]

#: Most calls of each method per :data:`PERIOD`: a little below its tier (20, 50 or 100 per minute).
RATES = {
    "auth.test": 100,
    "conversations.list": 18,
    "conversations.history": 45,
    "conversations.replies": 45,
    "conversations.members": 90,
    "users.list": 18,
}
PERIOD = int(Duration.MINUTE)
#: Items per page that we ask for; the documented maximum is 999 or 1,000.
PAGE = 999
#: Accounts per page, as Slack's documentation advises.
USERS_PAGE = 200
#: Messages per page for apps that are distributed outside of Slack's marketplace, for any limit that they ask for.
CLAMPED = 15


@dataclass(frozen=True)
class MessagePage:
    """One page of a channel's messages, newest first.

    Args:
        messages: the documents.
        is_last: no older message follows within the bounds.
        is_limited: the workspace's plan hides older messages.
    """

    messages: list[Document]
    is_last: bool
    is_limited: bool


class SlackClient:
    """Reads one workspace with the bot token of an app."""

    def __init__(self, settings: Settings) -> None:
        if not settings.slack.bot_token:
            raise off_error("slack", settings)
        url = urlsplit(settings.slack.api_url)
        provider = f"{url.netloc}{url.path}".rstrip("/")
        #: Why pages of messages are shorter than asked for; empty while they are not.
        self.clamped = ""
        self.api = Api(
            "Slack",
            settings.slack.api_url,
            auth=BearerAuth(settings.slack.bot_token.get_secret_value()),
            budget=Budget(Home.of(settings).limits, provider, lambda kind: [Rate(RATES[kind], PERIOD)]),
            to_error=to_error,
        )

    def who_am_i(self) -> tuple[Document, frozenset[str] | None]:
        """The workspace and bot of the token, and the token's scopes; None for these when Slack does not name them."""
        answer = self.api.request("GET", "/auth.test", kind="auth.test")
        scopes = answer.headers.get("X-OAuth-Scopes")
        return answer.body, frozenset(scope.strip() for scope in scopes.split(",")) if scopes else None

    def channels(self, kinds: tuple[str, ...]) -> list[Document]:
        """Every conversation of these kinds that the bot can see, archived ones included."""
        params = {"types": ",".join(kinds), "exclude_archived": "false", "limit": PAGE}
        return [c for page in self._pages("conversations.list", params) for c in page.get("channels") or []]

    def members(self, channel_id: str) -> list[str]:
        """Ids of the accounts in a conversation."""
        params = {"channel": channel_id, "limit": PAGE}
        found = [str(m) for page in self._pages("conversations.members", params) for m in page.get("members") or []]
        return list(dict.fromkeys(found))

    def users(self) -> Iterator[Document]:
        """Every account, deactivated ones included. Slack may refuse a request without a limit (limit_required)."""
        for page in self._pages("users.list", {"limit": USERS_PAGE}):
            yield from page.get("members") or []

    def history(self, channel_id: str, oldest: str, latest: str) -> Iterator[MessagePage]:
        """Messages of a channel from ``oldest`` to ``latest``, both included; replies only if also sent to the channel.

        Newest first because ``latest`` is given: without it Slack begins with what is closest to ``oldest``.
        """
        params = {"channel": channel_id, "oldest": oldest, "latest": latest, "inclusive": "true", "limit": PAGE}
        for page in self._pages("conversations.history", params):
            messages = page.get("messages") or []
            self._notice_clamp(len(messages), page)
            yield MessagePage(messages, not _cursor(page) and not page.get("has_more"), bool(page.get("is_limited")))

    def replies(self, channel_id: str, root: str) -> list[Document]:
        """All replies of a thread, without its root, which Slack repeats on every page or on some."""
        found: dict[str, Document] = {}
        for page in self._pages("conversations.replies", {"channel": channel_id, "ts": root, "limit": PAGE}):
            messages = page.get("messages") or []
            self._notice_clamp(sum(str(m.get("ts")) != root for m in messages), page)
            found.update({str(m.get("ts")): m for m in messages if str(m.get("ts")) != root})
        return list(found.values())

    def _notice_clamp(self, given: int, page: Document) -> None:
        if given == CLAMPED and _cursor(page) and not self.clamped:
            self.clamped = f"Slack gives {CLAMPED} messages per page, not the {PAGE} asked for"
            log.warning(
                "%s: it treats the app as distributed outside of its marketplace. Everything is read, but slowly. "
                "Install the app as an internal app of the workspace.",
                self.clamped,
            )

    def _pages(self, method: str, params: Document) -> Iterator[Document]:
        """Walk a list to its end: a page without a cursor. A short or an empty page is no end.

        Raises:
            ImpulsumError: of category source outage when a cursor comes back a second time, when pages stay empty,
                or when more is promised without a cursor.
        """
        paging = Paging("Slack", f"{method} {params.get('channel', '')}".strip())
        more: Document = {}
        while True:
            page = self.api.get(f"/{method}", {**params, **more}, kind=method)
            yield page
            found = sum(len(page.get(name) or []) for name in ("messages", "members", "channels"))
            cursor = paging.next(_cursor(page), found=found)
            if not cursor:
                if page.get("has_more"):
                    raise paging.broken("it says that there is more, and gives no cursor")
                return
            more["cursor"] = cursor


def _cursor(page: Document) -> str:
    """The cursor of the next page; empty on the last one."""
    return str((page.get("response_metadata") or {}).get("next_cursor") or "")
