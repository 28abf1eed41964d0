"""The sandbox's HTTP server: one process stands in for all services, with a control door beside them.

It runs in the background of a test (:func:`running_sandbox`) or as a process of its own (:func:`serve_sandbox`).
Everything happens in the one thread of the event loop, so that every answer shows one instant.
"""

from __future__ import annotations

import base64
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import orjson
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sandbox import services
from impulsum_pipelines.sandbox.control import Control, verbs_of
from impulsum_pipelines.sandbox.faults import Faults
from impulsum_pipelines.sandbox.jira.api import agile, platform
from impulsum_pipelines.sandbox.jira.world import EMAIL, TOKEN, JiraWorld
from impulsum_pipelines.sandbox.refusal import Refusal
from impulsum_pipelines.sandbox.team import Team

log = logging.getLogger(__name__)
HOST = "127.0.0.1"


def env_of(url: str, email: str = EMAIL, token: str = TOKEN) -> dict[str, str]:
    """The settings that point every source at the sandbox at ``url``."""
    return {"JIRA_BASE_URL": url, "JIRA_EMAIL": email, "JIRA_API_TOKEN": token, **services.services_env(url)}


def env_lines(port: int) -> list[str]:
    """``export NAME=value`` lines that point every source at a sandbox on this port."""
    return [f"export {name}={value}" for name, value in env_of(f"http://{HOST}:{port}").items()]


class Sandbox:
    """The ASGI application: checks Jira's credentials, plays the faults, and dates answers by the sandbox's clock."""

    def __init__(self, world: JiraWorld) -> None:
        self.world = world
        self.faults = Faults()
        self.control = Control(world, self.faults)
        self.services = services.Services(Team(world))
        self._jira = Starlette(routes=[*platform.platform_routes(self._bound), *agile.agile_routes(self._bound)])
        self._door = Starlette(routes=[Route("/_sandbox/{verb:path}", self._verb, methods=["GET", "POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/_sandbox"):
            await self._door(scope, receive, send)
            return
        self.control._count(scope["method"], scope["path"])
        date = formatdate(self.world.clock.now() / 1000, usegmt=True).encode()

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"date", date)]
            await send(message)

        dated.__self__ = send.__self__  # type: ignore[attr-defined]  # a fault that resets needs the connection
        if service := self.services.of(scope["path"]):
            await self.faults.play(service.app, scope, receive, dated)
        elif refused := self._login(scope):
            await refused(scope, receive, dated)
        else:
            await self.faults.play(self._jira, scope, receive, dated)

    def _login(self, scope: Scope) -> Response | None:
        """Jira's answer to a request without a valid token; None when it has one. A revoked token counts as wrong."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        expected = base64.b64encode(f"{self.world.email}:{self.world.token}".encode())
        if given == b"Basic " + expected and not self.world.token_revoked:
            return None
        return PlainTextResponse(
            "Client must be authenticated to access this resource.",
            401,
            {"WWW-Authenticate": 'OAuth realm="sandbox"', "X-Seraph-LoginReason": "AUTHENTICATED_FAILED"},
        )

    def _bound(self, handler: platform.Handler) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                return await handler(self.world, request)
            except Refusal as refusal:
                return refusal.response

        return endpoint

    async def _verb(self, request: Request) -> Response:
        *place, name = request.path_params["verb"].split("/")
        try:
            control = self.services[place[0]].control if place else self.control
        except KeyError:
            return _json({"error": f"there is no service {place[0]}"}, 404)
        verbs = verbs_of(control)
        if not name:
            return _json(verbs)
        if name not in verbs:
            return _json({"error": f"there is no verb {name}; GET /_sandbox/ lists them"}, 404)
        arguments = orjson.loads(await request.body() or b"{}")
        try:
            return _json(getattr(control, name)(**arguments))
        except (LookupError, TypeError, ValueError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


class Running:
    """A sandbox that is being served, and its control door.

    Attributes:
        url: base URL of the sandbox.
        env: the settings that point the sources at it.
        world: the Jira site; while it is served, change it only through the control door.
    """

    def __init__(self, url: str, world: JiraWorld) -> None:
        self.url = url
        self.world = world
        self.env = env_of(url, world.email, world.token)

    def control(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Call a verb of the control door; see :class:`impulsum_pipelines.sandbox.control.Control`.

        Raises:
            ValueError: the door refuses; the message says why.
        """
        answer = requests.post(f"{self.url}/_sandbox/{verb}", json=arguments, timeout=120)
        if not answer.ok:
            raise ValueError(answer.json()["error"])
        done: dict[str, Any] = answer.json()
        return done

    def truth(self) -> dict[str, Any]:
        """What every started sprint committed, added, removed and completed, as of now."""
        return self.control("truth")

    def requests(self, *, reset: bool = False) -> dict[str, int]:
        """Requests answered since the last reset, by method and path."""
        counted: dict[str, int] = self.control("stats", reset=reset)["by_path"]
        return counted


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,  # the sandbox's clock dates the answers
        server_header=False,
        timeout_keep_alive=60,
    )
    return uvicorn.Server(config)


def _listening(port: int) -> socket.socket:
    """A socket that listens on this port; 0 takes a free one.

    Raises:
        ImpulsumError: the port is taken (category configuration).
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"Port {port} of {HOST} is not available: {error.strerror}",
            next_step="choose another port with --port, or 0 for a free one.",
        ) from error
    listener.listen(512)
    return listener


@contextmanager
def running_sandbox(world: JiraWorld, port: int = 0) -> Iterator[Running]:
    """Serve a world in the background; port 0 takes a free one."""
    with running_app(Sandbox(world), port) as url:
        yield Running(url, world)


@contextmanager
def running_app(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an application such as :class:`Sandbox` in the background, and yield its URL; port 0 takes a free one."""
    listener = _listening(port)
    server = _server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
    thread.start()
    try:
        # The socket listens already: a request that comes before the loop runs waits in the socket's queue.
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def serve_sandbox(make: Callable[[], JiraWorld], port: int, ready: Callable[[str], None]) -> None:
    """Serve a world until the process is interrupted.

    Args:
        make: makes the world. The port is taken first: nobody waits for a world that cannot be served.
        port: 0 takes a free one.
        ready: called with the URL as soon as the sandbox listens.

    Raises:
        ImpulsumError: the port is taken (category configuration).
    """
    listener = _listening(port)
    world = make()
    ready(f"http://{HOST}:{listener.getsockname()[1]}")
    try:
        _server(Sandbox(world)).run(sockets=[listener])
    finally:
        listener.close()
