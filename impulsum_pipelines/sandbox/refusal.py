"""An answer that refuses a request: each vendor's own class below this one knows the shape that it has there."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure of the sandbox
    """Raised anywhere in the handling of a request, and answered instead of its result.

    Args:
        status: HTTP status.
        body: the JSON document, in the vendor's shape.
        headers: more headers of the answer.
    """

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = headers or {}
        super().__init__(f"{status}: {body}")

    @property
    def response(self) -> Response:
        """The answer itself."""
        return Response(orjson.dumps(self.body), self.status, self.headers, media_type="application/json")
