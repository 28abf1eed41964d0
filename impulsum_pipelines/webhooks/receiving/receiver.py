"""The receiver: takes webhook deliveries over HTTP and answers 2xx once their drop file survives a power cut.

It only checks that a delivery comes from its vendor, writes it, and answers; other code reads its content. Vendors wait
only a few seconds for the answer, one of them three.
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
from impulsum_pipelines.webhooks.receiving.recent_keys import RecentKeys
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS, Vendor, content_key, token

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Files written at the same time; the disk flushes them together.
_WRITERS = 32
#: Bodies above this size (bytes) are received a few at a time, to bound memory, and checked in a thread.
_LARGE, _LARGE_AT_ONCE = 256 * 1024, 4
#: The longest time for a body to arrive, seconds.
_ARRIVAL = 10


class Reply(Exception):  # noqa: N818  # usually not an error
    """The answer to a request, and a short reason for the log. Raise it to end the request early."""

    def __init__(self, response: Response, why: str) -> None:
        self.response = response
        self.why = why
        super().__init__(why)


class Receiver:
    """The routes of the receiver and their shared state; ``app`` is the ASGI application.

    Args:
        settings: the home with the inbox, and the secrets.
        allow_unsigned: also take deliveries of sources without a secret, marked as unsigned.
    """

    def __init__(self, settings: Settings, *, allow_unsigned: bool = False) -> None:
        self.home = Home.of(settings)
        self.secrets = {source: settings.source(source).webhook_secrets() for source in VENDORS}
        self.allow_unsigned = allow_unsigned
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="drop-file")
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._recent = RecentKeys()
        self.app = Starlette(
            routes=[
                Route("/health", self._health, methods=["GET"]),
                Route("/webhooks/{source}", self._endpoint(self._receive), methods=["POST"]),
                Route("/webhooks/{source}", self._endpoint(self._echo), methods=["GET"]),
            ]
        )

    def _endpoint(self, handle: Callable[[Request, str, Vendor], Awaitable[Reply]]) -> Callable[[Request], Any]:
        """An endpoint that answers and logs the result, without headers, query or body."""

        async def endpoint(request: Request) -> Response:
            started = time.perf_counter()
            source = request.path_params["source"]
            vendor = VENDORS.get(source)
            try:
                reply = await handle(request, source, vendor) if vendor else _rejected(404, "unknown source")
            except Reply as raised:
                reply = raised
            milliseconds = (time.perf_counter() - started) * 1000
            named = source if vendor else ascii(source[:40])
            log.info(
                "%s %s %d, %.1f ms: %s", request.method, named, reply.response.status_code, milliseconds, reply.why
            )
            return reply.response

        return endpoint

    async def _receive(self, request: Request, source: str, vendor: Vendor) -> Reply:
        headers = {name: request.headers[name] for name in request.headers}
        size = _declared_size(headers)
        large = size is None or size > _LARGE
        async with self._large if large else nullcontext():
            body = await _body(request, size)
            authenticate = partial(self._authenticate, source, vendor, headers, body, datetime.now(UTC))
            delivery, signature = await self._in_thread(authenticate) if large else authenticate()
            write = partial(
                dropfiles.write_dropfile,
                *(self.home, source, body),
                headers=headers,
                signature=signature,
                delivery=delivery,
            )
            key = (source, delivery or content_key(body))
            try:
                new = await self._recent.once(key, lambda: self._in_thread(write))
            except ImpulsumError as error:
                return _rejected(413, error.what)
            except OSError as error:
                log.error("cannot write a drop file: %s", error)
                return _try_later(error)
        return _accepted("stored" if new else "already received")

    def _authenticate(
        self, source: str, vendor: Vendor, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> tuple[str | None, dropfiles.SignatureStatus]:
        """The delivery id and signature status of a delivery that may be stored.

        Raises:
            Reply: when the delivery is rejected, or is a handshake.
        """
        document, secrets = _parse(body), self.secrets[source]
        new_secret = vendor.new_secret(document)
        if secrets:
            try:
                vendor.scheme.verify(secrets, headers, body, now)
            except ImpulsumError as error:
                raise _rejected(401, error.what) from None
        elif new_secret:
            self._store_secret(source, vendor, new_secret)
        elif not self.allow_unsigned:
            setting = f"{source.upper()}_WEBHOOK_SECRET"
            raise _rejected(
                403, f"{setting} is not set, so forged deliveries of {vendor.title} could not be recognised"
            )
        if new_secret:
            raise _accepted("secret received")
        if challenge := vendor.challenge_answer(document):
            raise Reply(JSONResponse({"challenge": challenge}), "challenge answered")
        return vendor.delivery_id(headers, document), "valid" if secrets else "unsigned"

    def _store_secret(self, source: str, vendor: Vendor, secret: str) -> None:
        """Store the secret of later deliveries for the operator, who must confirm it at the vendor."""
        path = self.home.root / "webhooks" / f"{source}-secret"
        try:
            _write_private(path, f"{secret}\n")
        except OSError as error:
            raise _try_later(error) from None
        log.warning(
            "%s sent a secret for its webhook: %s…, %d characters, stored in %s. If you have just created the webhook: "
            "enter the secret at %s, set %s_WEBHOOK_SECRET to it, and restart the receiver",
            *(vendor.title, secret[:4], len(secret), path, vendor.title, source.upper()),
        )

    async def _echo(self, request: Request, _source: str, vendor: Vendor) -> Reply:
        """Answer the handshake of a vendor that uses GET."""
        if vendor.echo_parameter is None:
            return _rejected(405, "send deliveries by POST")
        if echo := token(request.query_params.get(vendor.echo_parameter)):
            return Reply(PlainTextResponse(echo, headers={"X-Content-Type-Options": "nosniff"}), "handshake answered")
        return _rejected(400, f"{vendor.echo_parameter} is missing, or is not 1 to 256 characters of printable ASCII")

    async def _health(self, _request: Request) -> Response:
        """Answer 200 when a delivery could be stored now, else 503."""
        try:
            await self._in_thread(partial(dropfiles.check_writable, self.home))
        except OSError as error:
            return JSONResponse({"status": "failing", "error": f"cannot write to the inbox: {error.strerror}"}, 503)
        return JSONResponse({"status": "ok"})

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writers, work)


async def _body(request: Request, size: int | None) -> bytes:
    """Read the body, up to the largest size of a drop file."""
    too_large = _rejected(413, f"larger than {dropfiles.MAX_BYTES >> 20} MB")
    if size is not None and size > dropfiles.MAX_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(_ARRIVAL):
            async for chunk in request.stream():
                body += chunk
                if len(body) > dropfiles.MAX_BYTES:
                    raise too_large
    except TimeoutError:
        raise _rejected(408, f"the body took more than {_ARRIVAL} s to arrive") from None
    except ClientDisconnect:
        raise _rejected(400, "the sender closed the connection") from None
    return bytes(body)


def _declared_size(headers: Mapping[str, str]) -> int | None:
    size = headers.get("content-length", "")
    return int(size) if size.isascii() and size.isdigit() and len(size) < 19 else None


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from the first moment on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    new.touch(mode=0o600, exist_ok=False)
    new.write_text(text)
    new.replace(path)


def _accepted(why: str) -> Reply:
    return Reply(JSONResponse({"status": why}), why)


def _rejected(status: int, why: str) -> Reply:
    return Reply(JSONResponse({"error": why}, status), why)


def _try_later(error: OSError) -> Reply:
    """The answer after which a vendor tries again."""
    why = f"cannot store the delivery now: {error.strerror}"
    return Reply(JSONResponse({"error": why}, 503, {"Retry-After": "30"}), why)
