"""The receiver: takes webhook deliveries over HTTP and answers 2xx once their drop file survives a power cut.

What a delivery means is not asked here: it is checked to come from its vendor, written, and answered. Anything more
would take from the few seconds that vendors wait, the least patient of them three.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines.webhooks.receiving.recent_keys import Known
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS, Vendor, content_key, token

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Files that are made durable at the same time; the disk flushes them together.
_WRITERS = 32
#: Bodies above this size, bytes, are taken a few at a time, so that memory has a bound, and checked in a thread.
_LARGE, _LARGE_AT_ONCE = 256 * 1024, 4
#: Seconds that a body may take to arrive.
_ARRIVAL = 10


class Ended(Exception):  # noqa: N818  # most often no error
    """How a request ends: the answer, and why in a word or two for the log."""

    def __init__(self, response: Response, why: str) -> None:
        self.response = response
        self.why = why
        super().__init__(why)


class Receiver:
    """The routes and what they share; ``app`` is the ASGI application.

    Args:
        settings: where the inbox is, and the secrets.
        allow_unsigned: take deliveries of sources without a secret too, marked as unsigned.
    """

    def __init__(self, settings: Settings, *, allow_unsigned: bool = False) -> None:
        self.home = Home.of(settings)
        self.secrets = {source: settings.source(source).webhook_secrets() for source in VENDORS}
        self.allow_unsigned = allow_unsigned
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="drop-file")
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._known = Known()
        self.app = Starlette(
            routes=[
                Route("/health", self._health, methods=["GET"]),
                Route("/webhooks/{source}", self._answering(self._receive), methods=["POST"]),
                Route("/webhooks/{source}", self._answering(self._echo), methods=["GET"]),
            ]
        )

    def _answering(self, handle: Callable[[Request, str, Vendor], Awaitable[Ended]]) -> Callable[[Request], Any]:
        """An endpoint that answers, and logs what came of it: no header, no query, no body."""

        async def endpoint(request: Request) -> Response:
            started = time.perf_counter()
            source = request.path_params["source"]
            vendor = VENDORS.get(source)
            try:
                ended = await handle(request, source, vendor) if vendor else _refusal(404, "there is no such source")
            except Ended as raised:
                ended = raised
            milliseconds = (time.perf_counter() - started) * 1000
            named = source if vendor else ascii(source[:40])
            log.info(
                "%s %s %d, %.1f ms: %s", request.method, named, ended.response.status_code, milliseconds, ended.why
            )
            return ended.response

        return endpoint

    async def _receive(self, request: Request, source: str, vendor: Vendor) -> Ended:
        headers = {name: request.headers[name] for name in request.headers}
        size = _declared_size(headers)
        large = size is None or size > _LARGE
        async with self._large if large else nullcontext():
            body = await _body(request, size)
            judge = partial(self._judge, source, vendor, headers, body, datetime.now(UTC))
            delivery, signature = await self._in_thread(judge) if large else judge()
            write = partial(
                dropfiles.write,
                *(self.home, source, body),
                headers=headers,
                signature=signature,
                delivery=delivery,
            )
            key = (source, delivery or content_key(body))
            try:
                new = await self._known.once(key, lambda: self._in_thread(write))
            except ImpulsumError as error:
                return _refusal(413, error.what)
            except OSError as error:
                log.error("A drop file could not be written: %s", error)
                return _not_now(error)
        return _done("kept" if new else "known already")

    def _judge(
        self, source: str, vendor: Vendor, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> tuple[str | None, dropfiles.Verdict]:
        """Delivery id and verdict of what may be written.

        Raises:
            Ended: when the request ends otherwise: refused, or the answer to a handshake.
        """
        document, secrets = _parsed(body), self.secrets[source]
        brought = vendor.secret(document)
        if secrets:
            try:
                vendor.scheme.verify(secrets, headers, body, now)
            except ImpulsumError as error:
                raise _refusal(401, error.what) from None
        elif brought:
            self._keep_secret(source, vendor, brought)
        elif not self.allow_unsigned:
            setting = f"{source.upper()}_WEBHOOK_SECRET"
            raise _refusal(403, f"{setting} is not set, so nothing tells {vendor.title}'s deliveries from forged ones")
        if brought:
            raise _done("its secret")
        if challenge := vendor.challenged(document):
            raise Ended(JSONResponse({"challenge": challenge}), "challenge answered")
        return vendor.delivery(headers, document), "valid" if secrets else "unsigned"

    def _keep_secret(self, source: str, vendor: Vendor, secret: str) -> None:
        """Keep what may be the secret of the deliveries to come for the operator, who must tell the vendor of it."""
        path = self.home.root / "webhooks" / f"{source}-secret"
        try:
            _write_private(path, f"{secret}\n")
        except OSError as error:
            raise _not_now(error) from None
        log.warning(
            "%s sent a secret for its webhook: %s…, %d characters, kept in %s. If you have just asked for it: enter it "
            "at %s, set %s_WEBHOOK_SECRET to it, and start the receiver again",
            *(vendor.title, secret[:4], len(secret), path, vendor.title, source.upper()),
        )

    async def _echo(self, request: Request, _source: str, vendor: Vendor) -> Ended:
        """Answer the handshake of a vendor that asks by GET."""
        if vendor.echo_parameter is None:
            return _refusal(405, "deliveries come by POST")
        if asked := token(request.query_params.get(vendor.echo_parameter)):
            return Ended(PlainTextResponse(asked, headers={"X-Content-Type-Options": "nosniff"}), "handshake answered")
        return _refusal(400, f"{vendor.echo_parameter} is missing, or no word of printable ASCII")

    async def _health(self, _request: Request) -> Response:
        """Healthy is a receiver that could keep a delivery now."""
        try:
            await self._in_thread(partial(dropfiles.probe, self.home))
        except OSError as error:
            return JSONResponse({"status": "failing", "error": f"the inbox: {error.strerror}"}, 503)
        return JSONResponse({"status": "ok"})

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writers, work)


async def _body(request: Request, size: int | None) -> bytes:
    """The whole body, which may not be larger than a drop file."""
    too_large = _refusal(413, f"larger than {dropfiles.LARGEST >> 20} MB")
    if size is not None and size > dropfiles.LARGEST:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(_ARRIVAL):
            async for chunk in request.stream():
                body += chunk
                if len(body) > dropfiles.LARGEST:
                    raise too_large
    except TimeoutError:
        raise _refusal(408, f"the body took more than {_ARRIVAL} s to arrive") from None
    except ClientDisconnect:
        raise _refusal(400, "the sender hung up") from None
    return bytes(body)


def _declared_size(headers: Mapping[str, str]) -> int | None:
    size = headers.get("content-length", "")
    return int(size) if size.isascii() and size.isdigit() and len(size) < 19 else None


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, at no moment anybody else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    new.touch(mode=0o600, exist_ok=False)
    new.write_text(text)
    new.replace(path)


def _done(why: str) -> Ended:
    return Ended(JSONResponse({"status": why}), why)


def _refusal(status: int, why: str) -> Ended:
    return Ended(JSONResponse({"error": why}, status), why)


def _not_now(error: OSError) -> Ended:
    """The answer that makes a vendor try again."""
    why = f"it cannot be kept now: {error.strerror}"
    return Ended(JSONResponse({"error": why}, 503, {"Retry-After": "30"}), why)
