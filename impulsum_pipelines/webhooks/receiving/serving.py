"""The HTTP server of the receiver: a socket and uvicorn, with a stop that loses no answered delivery."""

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

#: The most connections at once; one more gets 503, after which vendors try again.
_CONNECTIONS = 1000


def serve_receiver(
    settings: Settings, host: str, port: int, ready: Callable[[str], None], *, allow_unsigned: bool = False
) -> None:
    """Receive deliveries until the process is stopped; running requests are finished first.

    Args:
        port: 0 takes a free port.
        ready: called with the URL once the server listens.

    Raises:
        ImpulsumError: of category *configuration* when the address cannot be used.
    """
    with _listening(host, port) as listener:
        ready(_url(listener))
        _server(settings, allow_unsigned=allow_unsigned).run(sockets=[listener])


@contextmanager
def running_receiver(settings: Settings, *, allow_unsigned: bool = False) -> Iterator[str]:
    """Run a receiver in a thread of this process, on a free port of 127.0.0.1; yields its URL."""
    with _listening("127.0.0.1", 0) as listener:
        server = _server(settings, allow_unsigned=allow_unsigned)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="receiver", daemon=True)
        thread.start()
        try:
            # The socket already listens: requests before the loop runs wait in its queue.
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def is_loopback(host: str) -> bool:
    """Whether a server on this host can only be reached from this machine."""
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
            f"The receiver cannot listen on port {port} of {host}: {error.strerror}",
            next_step="choose another address with --host and --port; --port 0 takes a free port.",
        ) from error
    with listener:
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
