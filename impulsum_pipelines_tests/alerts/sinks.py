"""A mail server and a webhook receiver on 127.0.0.1 that store what they accept."""

from __future__ import annotations

import email
import json
import socket
import threading
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

PASSWORD = "hunter2-Tr0ub4dor"


class Mails:
    """A mail server.

    Attributes:
        address: its Apprise address.
        taken: the accepted mails.
        answer: its answer to each mail.
    """

    name = "mailto://127.0.0.1"

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.answer = "250 taken"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self._port)

    @property
    def address(self) -> str:
        return f"mailto://127.0.0.1:{self._port}?from=impulsum@example.com&to=team@example.com&mode=insecure"

    @property
    def ids(self) -> list[str]:
        """The id of each mail, in the order in which they came."""
        for mail in self.taken:
            assert len(mail.get_all("Message-ID") or ()) == 1
        return [str(mail["Message-ID"]).strip("<>") for mail in self.taken]

    @property
    def titles(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.taken]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.taken.append(email.message_from_bytes(envelope.content))
        return self.answer

    def __enter__(self) -> Mails:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class Webhook:
    """A receiver of JSON.

    Attributes:
        taken: the accepted documents, each with its ``idempotency_key`` and ``taken_at``.
        status: the HTTP status of its answers.
    """

    name = "json://127.0.0.1"

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status = 200
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if sink.status == 200:
                    key = self.headers["Idempotency-Key"]
                    sink.taken.append({**document, "idempotency_key": key, "taken_at": datetime.now(UTC)})
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def address(self) -> str:
        return f"json://robot:{PASSWORD}@127.0.0.1:{self._server.server_port}/hooks/s3cret-path"

    @property
    def ids(self) -> list[str]:
        for document in self.taken:
            assert document["message_id"] == document["idempotency_key"]
        return [document["message_id"] for document in self.taken]

    @property
    def titles(self) -> list[str]:
        return [document["title"] for document in self.taken]

    def __enter__(self) -> Webhook:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def refused() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"json://robot:{PASSWORD}@127.0.0.1:{free.getsockname()[1]}/hooks/s3cret-path"
