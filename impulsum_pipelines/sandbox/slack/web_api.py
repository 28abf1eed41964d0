"""The Web API over HTTP: ``/slack/api/<method>`` by GET or POST; the normal error is ``ok: false`` with HTTP 200.

As documented at https://docs.slack.dev/reference/methods, with its traps: ``history`` without ``latest`` gives the
messages closest to ``oldest`` first; it has no plain replies; ``replies`` repeats the root on every page; a page may
be short before the end; ``limit`` may be reduced silently; a cursor is opaque.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from impulsum_pipelines.sandbox.faults import Fault
from impulsum_pipelines.sandbox.refusal import Refusal
from impulsum_pipelines.sandbox.slack.documents import channel_document, user_document
from impulsum_pipelines.sandbox.slack.limits import SlackLimits
from impulsum_pipelines.sandbox.slack.workspace import (
    BOT_ID,
    BOT_USER,
    SCOPE_OF,
    TEAM_ID,
    Document,
    SlackChannel,
    Workspace,
)

TOKEN = "xoxb-sandbox"  # noqa: S105  # it opens nothing but the sandbox
MOST_PER_PAGE = 999
DEFAULT_LIMIT = 100


class SlackRefusal(Refusal):
    """``ok: false`` with an error code, by HTTP 200; ``more`` are further fields of the answer."""

    def __init__(self, error: str, **more: str) -> None:
        super().__init__(200, {"ok": False, "error": error, **more})


class WebApi:
    """Answers the methods of one workspace."""

    def __init__(self, workspace: Workspace, limits: SlackLimits) -> None:
        self.workspace = workspace
        self.limits = limits
        self._methods: dict[str, Callable[[Document, Fault | None], Document]] = {
            "auth.test": self._auth_test,
            "conversations.list": self._list,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.members": self._members,
            "users.list": self._users,
        }
        self.app = Starlette(routes=[Route("/slack/api/{method}", self._call, methods=["GET", "POST"])])

    async def _call(self, request: Request) -> Response:
        method = request.path_params["method"]
        headers = {"X-OAuth-Scopes": ",".join(sorted(self.workspace.scopes))}
        try:
            self._login(request)
            answer = self._methods.get(method)
            if answer is None:
                raise SlackRefusal("unknown_method")
            if wait := self.limits.refuse(method):
                refused = {"ok": False, "error": "ratelimited"}
                return _json(refused, 429, {**headers, "Retry-After": str(wait)})
            body = answer(await _arguments(request), request.scope.get("sandbox.fault"))
        except SlackRefusal as refusal:
            body = refusal.body
        return _json(body, 200, headers)

    def _login(self, request: Request) -> None:
        given = request.headers.get("Authorization")
        if not given:
            raise SlackRefusal("not_authed")
        if given != f"Bearer {TOKEN}":
            raise SlackRefusal("invalid_auth")
        if self.workspace.token_error:
            raise SlackRefusal(self.workspace.token_error)

    def _needs(self, *scopes: str) -> None:
        for scope in scopes:
            if scope not in self.workspace.scopes:
                raise SlackRefusal("missing_scope", needed=scope, provided=",".join(sorted(self.workspace.scopes)))

    # -- methods

    def _auth_test(self, _: Document, __: Fault | None) -> Document:
        return {
            "ok": True,
            "url": "https://sandbox.slack.com/",
            "team": "Sandbox",
            "user": self.workspace.users[BOT_USER].name,
            "team_id": TEAM_ID,
            "user_id": BOT_USER,
            "bot_id": BOT_ID,
            "is_enterprise_install": False,
        }

    def _list(self, arguments: Document, fault: Fault | None) -> Document:
        kinds = str(arguments.get("types", "public_channel")).split(",")
        if unknown := set(kinds) - set(SCOPE_OF):
            raise SlackRefusal("invalid_types", provided=",".join(unknown))
        self._needs(*(f"{SCOPE_OF[kind]}:read" for kind in kinds))
        hides_archived = str(arguments.get("exclude_archived", "false")).lower() in ("true", "1")
        found = [
            channel_document(channel)
            for channel in self.workspace.visible()
            if channel.kind in kinds and not (hides_archived and channel.is_archived)
        ]
        page, cursor = _page(found, arguments, fault, most=1000)
        return {"ok": True, "channels": page, "response_metadata": {"next_cursor": cursor}}

    def _history(self, arguments: Document, fault: Fault | None) -> Document:
        channel = self._readable(arguments)
        oldest, latest, inclusive = _bounds(arguments)
        hidden = self.workspace.hidden_before
        within = [ts for ts in channel.timeline if _within(ts, oldest, latest, inclusive) and ts >= hidden]
        forward = bool(oldest) and not latest  # closest to `oldest` first; within a page still newest first
        size = self._size(arguments)
        ahead = _ahead(within if forward else within[::-1], arguments)
        cursor, chosen = _spoilt(fault, arguments, _after(ahead, size), ahead[:size])
        chosen = sorted(chosen, reverse=True)
        body: Document = {
            "ok": True,
            "messages": [channel.shown(ts, in_channel=True) for ts in chosen],
            "has_more": bool(cursor) or bool(fault and fault.kind == "end_early"),
            "pin_count": 0,
            "channel_actions_ts": None,
            "channel_actions_count": 0,
        }
        if any(ts < hidden for ts in channel.timeline):
            body["is_limited"] = True
        return body | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})

    def _replies(self, arguments: Document, fault: Fault | None) -> Document:
        channel = self._readable(arguments)
        root = str(arguments.get("ts", ""))
        if root not in channel.messages or channel.messages[root].get("thread_ts", root) != root:
            raise SlackRefusal("thread_not_found")
        oldest, latest, inclusive = _bounds(arguments)
        replies = [ts for ts in channel.threads.get(root, []) if _within(ts, oldest, latest, inclusive)]
        size, ahead = self._size(arguments, default=1000), _ahead(replies, arguments)
        cursor, chosen = _spoilt(fault, arguments, _after(ahead, size), ahead[:size])
        shown = [channel.shown(ts, in_channel=False) for ts in (root, *chosen)]
        body = {"ok": True, "messages": shown, "has_more": bool(cursor)}
        return body | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})

    def _members(self, arguments: Document, fault: Fault | None) -> Document:
        channel = self._channel(arguments)
        self._needs(f"{SCOPE_OF[channel.kind]}:read")
        page, cursor = _page(channel.members, arguments, fault, most=1000)
        return {"ok": True, "members": page, "response_metadata": {"next_cursor": cursor}}

    def _users(self, arguments: Document, fault: Fault | None) -> Document:
        self._needs("users:read")
        if self.workspace.limit_required and "limit" not in arguments:
            raise SlackRefusal("limit_required")
        with_email = "users:read.email" in self.workspace.scopes
        found = [user_document(user, with_email=with_email) for user in self.workspace.users.values()]
        page, cursor = _page(found, arguments, fault, most=1000, default=len(found))
        now = self.workspace.clock.now() // 1000
        return {"ok": True, "members": page, "cache_ts": now, "response_metadata": {"next_cursor": cursor}}

    # -- what the methods share

    def _channel(self, arguments: Document) -> SlackChannel:
        channel = self.workspace.channels.get(str(arguments.get("channel")))
        if channel is None or channel not in self.workspace.visible():
            raise SlackRefusal("channel_not_found")
        return channel

    def _readable(self, arguments: Document) -> SlackChannel:
        channel = self._channel(arguments)
        self._needs(f"{SCOPE_OF[channel.kind]}:history")
        if not channel.has_bot:
            raise SlackRefusal("not_in_channel")
        return channel

    def _size(self, arguments: Document, default: int = DEFAULT_LIMIT) -> int:
        size = _limit(arguments, default, most=MOST_PER_PAGE if default == DEFAULT_LIMIT else 1000)
        return min(size, self.workspace.clamp) if self.workspace.clamp else size


async def _arguments(request: Request) -> Document:
    if request.method == "GET":
        return dict(request.query_params)
    body = await request.body()
    if request.headers.get("Content-Type", "").startswith("application/json"):
        return dict(orjson.loads(body or b"{}"))
    return dict(await request.form())


def _json(body: object, status: int, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def _limit(arguments: Document, default: int, *, most: int) -> int:
    try:
        size = int(arguments.get("limit") or default)
    except ValueError:
        raise SlackRefusal("invalid_limit") from None
    if not 1 <= size <= most:
        raise SlackRefusal("invalid_limit")
    return size


def _position(arguments: Document) -> int:
    cursor = str(arguments.get("cursor") or "")
    if not cursor:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("next:"))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise SlackRefusal("invalid_cursor") from None


def _ahead(stamps: list[str], arguments: Document) -> list[str]:
    """The messages after the cursor. It names the last message given: new messages do not shift the pages."""
    cursor = str(arguments.get("cursor") or "")
    if not cursor:
        return stamps
    try:
        way, last = base64.urlsafe_b64decode(cursor).decode().rstrip(";").split(":")
    except (binascii.Error, ValueError):
        raise SlackRefusal("invalid_cursor") from None
    return [ts for ts in stamps if (ts < last if way == "before" else ts > last)]


def _after(stamps: list[str], size: int) -> str:
    """The cursor after the first ``size`` messages; empty when nothing follows."""
    if size >= len(stamps):
        return ""
    way = "before" if stamps[0] > stamps[-1] else "after"
    return base64.urlsafe_b64encode(f"{way}:{stamps[size - 1]}".encode()).decode()


def _next(position: int, total: int) -> str:
    return base64.urlsafe_b64encode(f"next:{position}".encode()).decode() if position < total else ""


def _page(
    everything: list[Any], arguments: Document, fault: Fault | None, *, most: int, default: int = DEFAULT_LIMIT
) -> tuple[list[Any], str]:
    size, start = _limit(arguments, default, most=most), _position(arguments)
    cursor, page = _spoilt(fault, arguments, _next(start + size, len(everything)), everything[start : start + size])
    return page, cursor


def _spoilt(fault: Fault | None, arguments: Document, cursor: str, page: list[Any]) -> tuple[str, list[Any]]:
    """The next cursor and the page, changed by a fault in paging, if there is one."""
    if fault is None:
        return cursor, page
    given = str(arguments.get("cursor") or "")
    if fault.kind == "empty_page" and given:  # the page is empty, and the next one begins at the same place
        return base64.urlsafe_b64encode(base64.urlsafe_b64decode(given) + b";").decode(), []
    if fault.kind == "repeat_token" and cursor:
        return fault.memory.setdefault("cursor", cursor), page
    if fault.kind != "end_early":
        return cursor, page
    return "", page  # end_early: has_more is true, but there is no cursor


def _bounds(arguments: Document) -> tuple[str, str, bool]:
    inclusive = str(arguments.get("inclusive", "false")).lower() in ("true", "1")
    return _ts(arguments, "oldest"), _ts(arguments, "latest"), inclusive


def _ts(arguments: Document, name: str) -> str:
    value = str(arguments.get(name) or "")
    if not value or value == "0":
        return ""
    seconds, _, micros = value.partition(".")
    if not (seconds.isdigit() and (micros or "0").isdigit()):
        raise SlackRefusal(f"invalid_ts_{name}")
    return f"{int(seconds):010d}.{micros[:6]:0<6}"


def _within(ts: str, oldest: str, latest: str, inclusive: bool) -> bool:
    if inclusive:
        return (not oldest or ts >= oldest) and (not latest or ts <= latest)
    return (not oldest or ts > oldest) and (not latest or ts < latest)
