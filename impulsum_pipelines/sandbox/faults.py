"""Faults on demand: how a source fails, for the next requests that match.

A fault of the network or the server is played here. A fault in paging (``repeat_token``, ``end_early``,
``empty_page``) needs the page: it is passed in the request's scope, as ``sandbox.fault``, to the code that answers.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["status", "reset", "slow_body", "truncate", "repeat_token", "end_early", "empty_page", "issue_error"]
#: Played by the code that answers the request.
PAGING = frozenset({"repeat_token", "end_early", "empty_page", "issue_error"})


@dataclass
class Fault:
    """What goes wrong.

    Args:
        kind: ``status``: an answer with another status; ``reset``: the connection is reset; ``slow_body``: the body
            pauses in the middle; ``truncate``: the body is cut off in the middle; ``repeat_token``: a list gives the
            same token again; ``end_early``: a list ends too early; ``empty_page``: an empty page with a token;
            ``issue_error``: an answer with many issues fails for the first of them.
        count: how many matching requests it hits.
        path: text that the request's path must contain; empty matches all.
        after: how many matching requests it leaves alone first.
        status: the status, for ``status``.
        retry_after: seconds for the header Retry-After; no header when None.
        reason: the header RateLimit-Reason; no header when None.
        seconds: how long a slow body pauses.
        headers: more headers, for ``status``.
        body: the body instead of Jira's, for ``status``.
    """

    kind: Kind
    count: int = 1
    path: str = ""
    after: int = 0
    status: int = 500
    retry_after: int | None = None
    reason: str | None = None
    seconds: float = 1.0
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    #: What a paging fault remembers from one page to the next.
    memory: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"{self.kind!r} is no fault; there are {', '.join(get_args(Kind))}")

    @property
    def response(self) -> Response:
        """The answer of a ``status`` fault."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.reason:
            headers["RateLimit-Reason"] = self.reason
        text = "Rate limit exceeded." if self.status == 429 else "Something went wrong on our side."
        body = self.body if self.body is not None else f'{{"errorMessages":["{text}"],"errors":{{}}}}'
        return Response(body, self.status, headers, media_type="application/json")


class Faults:
    """The faults that wait for a matching request; the oldest one that matches hits."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []
        #: Seconds by which every answer is delayed.
        self.latency = 0.0

    def add(self, **details: Any) -> None:
        """Add a fault; ``details`` are the arguments of :class:`Fault`."""
        self.waiting.append(Fault(**details))

    def clear(self) -> None:
        """Drop all faults that have not happened yet."""
        self.waiting.clear()

    def take(self, path: str) -> Fault | None:
        """Take out the fault that hits a request to this path; None when none does."""
        for fault in self.waiting:
            if fault.path not in path:
                continue
            if fault.after:
                fault.after -= 1
                return None
            fault.count -= 1
            if fault.count <= 0:
                self.waiting.remove(fault)
            return fault
        return None

    async def play(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with ``app``, spoiled by the fault that it meets, if any."""
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self.take(scope["path"])
        if fault is None:
            await app(scope, receive, send)
        elif fault.kind in PAGING:
            await app({**scope, "sandbox.fault": fault}, receive, send)
        elif fault.kind == "status":
            await fault.response(scope, receive, send)
        elif fault.kind == "reset":
            _reset(send)
            while (await receive())["type"] != "http.disconnect":
                pass
        else:
            await app(scope, receive, _broken(fault, send))


def _reset(send: Send) -> None:
    """Cut the connection as a crashing server does: no answer, and no orderly end."""
    transport = send.__self__.transport  # type: ignore[attr-defined]  # uvicorn's cycle is the only way to the socket
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _broken(fault: Fault, send: Send) -> Send:
    """A ``send`` that cuts the body in half, or pauses in the middle of it."""

    async def broken(message: Message) -> None:
        if message["type"] == "http.response.start" and fault.kind == "truncate":
            message["headers"] = [h for h in message["headers"] if h[0].lower() != b"content-length"]
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            half = len(body) // 2
            if fault.kind == "truncate":
                message = {**message, "body": body[:half]}
            else:
                await send({**message, "body": body[:half], "more_body": True})
                await asyncio.sleep(fault.seconds)
                message = {**message, "body": body[half:]}
        await send(message)

    return broken
