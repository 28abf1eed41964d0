"""The receiver's HTTP server: a socket, uvicorn, and a stop that loses nothing that was answered."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.receiving.receiver import Receiver

#: Connections that are served at once; one more is answered 503, which vendors try again.
_CONNECTIONS = 1000


def serve(
    settings: Settings, host: str, port: int, ready: Callable[[str], None], *, allow_unsigned: bool = False
) -> None:
    """Receive until the process is told to end; requests under way are finished first.

    Args:
        port: 0 takes a free one.
        ready: called with the URL when it listens.

    Raises:
        ImpulsumError: of category *configuration* when the address cannot be had.
    """
    with _listening(host, port) as listener:
        ready(_url(listener))
        _server(settings, allow_unsigned=allow_unsigned).run(sockets=[listener])


@contextmanager
def running(settings: Settings, *, allow_unsigned: bool = False) -> Iterator[str]:
    """A receiver in a thread of this process, on a free port of 127.0.0.1; its URL."""
    with _listening("127.0.0.1", 0) as listener:
        server = _server(settings, allow_unsigned=allow_unsigned)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="receiver", daemon=True)
        thread.start()
        try:
            # The socket listens already: a request that comes before the loop runs waits in its queue.
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to this host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _server(settings: Settings, *, allow_unsigned: bool) -> uvicorn.Server:
    config = uvicorn.Config(
        Receiver(settings, allow_unsigned=allow_unsigned).app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=20,
    )
    return uvicorn.Server(config)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"Port {port} of {host} cannot be had: {error.strerror}",
            next_step="choose others with --host and --port, or 0 for a free port.",
        ) from error
    with listener:
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
