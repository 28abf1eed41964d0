"""The one HTTP client of all sources: retries, Retry-After, budgets, and errors that say what to do.

A request ends in parsed JSON or in an :class:`ImpulsumError`. Failures that can pass by themselves (network, 429, 5xx,
a page cut short) are tried again here. When the source asks for a long wait, the error is raised, see :mod:`limits`.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.limits import LONGEST_WAIT, Budget

log = logging.getLogger(__name__)

#: First wait after a failure without Retry-After, seconds; doubles with each attempt, up to LONGEST_WAIT / 4.
BACKOFF = 1.0
ATTEMPTS = 6
#: Attempts, and the longest wait that a source may ask for, s, while somebody waits for the outcome.
FAIL_FAST_ATTEMPTS, FAIL_FAST_WAIT = 3, 10.0
#: The status of an endpoint that a vendor removed.
GONE = 410
#: Statuses of answers that never have a body.
WITHOUT_BODY = (204, 304)
#: Half of a surrogate pair: legal in JSON text, but no character, and every strict parser rejects it.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
#: Seconds to connect, and seconds between two bytes of an answer.
TIMEOUT = (10, 60)


@dataclass
class Traffic:
    """What one sync cost: requests sent, waits that the source asked for, and the source's own clock."""

    requests: int = 0
    limit_waits: int = 0
    limit_wait_seconds: float = 0.0
    clock: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count_answer(self, date_header: str | None) -> None:
        """Count one answer and read the source's clock from its Date header."""
        with self._lock:
            self.requests += 1
            if date_header:
                self.clock = parsedate_to_datetime(date_header).astimezone(UTC)

    def count_wait(self, seconds: float) -> None:
        """Count one wait that the source asked for."""
        with self._lock:
            self.limit_waits += 1
            self.limit_wait_seconds += seconds


class NotFoundError(ImpulsumError):
    """The requested object does not exist, or the account may not see it (HTTP 404)."""

    def __init__(self, where: str) -> None:
        super().__init__(
            Category.PERMISSION,
            "Not found, or not visible to this account",
            where=where,
            next_step="check that the account may see it.",
        )


class RefusedError(ImpulsumError):
    """The source rejects the request with a 4xx for which there is no error of its own."""

    def __init__(self, status: int, what: str, *, where: str) -> None:
        super().__init__(
            Category.CONFIGURATION,
            what,
            where=where,
            next_step="update impulsum_pipelines to a version that does not need it; if there is none, report it."
            if status == GONE
            else "correct the setting that the message names; if it names none, report it as a bug.",
        )


@dataclass(frozen=True)
class Answer:
    """One answer.

    Args:
        body: the parsed JSON; None for an answer without a body, such as 304.
        headers: the headers.
        status: the HTTP status.
        links: the URLs of the Link header, by their relation, such as ``next``.
    """

    body: Any
    headers: Mapping[str, str]
    status: int
    links: Mapping[str, str]


#: Turns a vendor's way to refuse into an error; gets the answer and its body (None unless JSON). None where the status
#: alone says enough.
ToError = Callable[[requests.Response, Any], ImpulsumError | None]


class BearerAuth(AuthBase):
    """``Authorization: Bearer <token>``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Api:
    """JSON over HTTP to one base URL.

    Args:
        name: the source's title, used in messages.
        base_url: scheme and host, without a final slash.
        auth: a requests authentication object; never printed.
        budget: what the provider allows.
        headers: sent with every request.
        connections: how many threads may send requests at the same time.
        to_error: gets every answer before its status is read.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        auth: AuthBase,
        budget: Budget,
        headers: Mapping[str, str] | None = None,
        connections: int = 4,
        to_error: ToError | None = None,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.site = urlsplit(self.base_url).netloc
        self.traffic = Traffic()
        self._attempts, self._longest_wait = ATTEMPTS, LONGEST_WAIT
        self._budget = budget
        self._to_error = to_error
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc must not override the account, nor a proxy see a token
        self._session.auth = auth
        self._session.headers.update({"Accept": "application/json", **(headers or {})})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=connections))

    def fail_fast(self) -> None:
        """Give up soon when the source is down or asks for a wait: somebody waits, and the stored rows will do."""
        self._attempts, self._longest_wait = FAIL_FAST_ATTEMPTS, FAIL_FAST_WAIT

    def close(self) -> None:
        """Close the connections and the budget."""
        self._session.close()
        self._budget.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """The JSON at a path; the options are those of :meth:`request`."""
        return self.request("GET", path, params=params, **options).body

    def post(self, path: str, body: Mapping[str, Any], **options: Any) -> Any:
        """The JSON that a path answers to a JSON body. Only for paths that read, since a request may be sent again.

        The options are those of :meth:`request`.
        """
        return self.request("POST", path, data=orjson.dumps(body), **options).body

    def request(
        self,
        method: str,
        path: str,
        *,
        endpoint: str | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> Answer:
        """Send one request, several times where that can help.

        Args:
            method: GET or POST.
            path: below the base URL; or a complete URL below it, such as a vendor's link to the next page.
            endpoint: the path's template, where the path has an id; messages name it.
            kind: the kind of request that the budget counts; the method and endpoint when None.
            headers: sent with this request.
            arguments: ``params`` or ``data``, as in requests.

        Raises:
            ImpulsumError: a failure that did not pass by itself. Of category bad data when a complete URL leads to
                another host: the token is not sent there.
        """
        if not path.startswith("/"):
            path = self._path_of(path)
        endpoint = endpoint or path.partition("?")[0]
        retrying = Retrying(
            retry=retry_if_exception(self._may_pass),
            stop=stop_after_attempt(self._attempts),
            wait=self._wait,
            reraise=True,
        )
        answer: Answer = retrying(
            self._send, method, path, f"{self.name} {method} {endpoint}", kind or f"{method} {endpoint}", headers,
            arguments,
        )  # fmt: skip
        return answer

    def _path_of(self, url: str) -> str:
        if not url.startswith(f"{self.base_url}/"):
            raise ImpulsumError(
                Category.BAD_DATA,
                f"{self.site} sent a link to another host ({urlsplit(url).netloc or 'none'})",
                where=self.name,
                next_step="check the base URL; a proxy may have rewritten the answer.",
            )
        return url.removeprefix(self.base_url)

    def _send(
        self,
        method: str,
        path: str,
        where: str,
        kind: str,
        headers: Mapping[str, str] | None,
        arguments: dict[str, Any],
    ) -> Answer:
        self._budget.take(kind)
        sent = {"Content-Type": "application/json"} if "data" in arguments else {}
        try:
            response = self._session.request(
                method, self.base_url + path, headers={**sent, **(headers or {})}, timeout=TIMEOUT, **arguments
            )
            content = response.content
        except requests.RequestException as error:
            raise ImpulsumError(
                Category.NETWORK,
                f"No answer from {self.site}: {type(error).__name__}",
                where=where,
                next_step="check the network and the base URL; the next scheduled pull tries again by itself.",
            ) from None
        self.traffic.count_answer(response.headers.get("Date"))
        body, is_json = _parsed(content)
        if refusal := self._to_error(response, body) if self._to_error else None:
            refusal.where = refusal.where or where
            raise refusal
        if response.status_code >= 400:
            raise self._failure(response, body, where)
        if not is_json and response.status_code not in WITHOUT_BODY:
            raise ImpulsumError(
                Category.BAD_DATA,
                f"{self.site} answered with {len(content)} bytes that are not JSON",
                where=where,
                next_step="usually a page cut short: run again. If it stays, look at that page in the browser.",
            )
        links = {name: str(link["url"]) for name, link in response.links.items()}
        return Answer(body, response.headers, response.status_code, links)

    def _failure(self, response: requests.Response, body: Any, where: str) -> ImpulsumError:
        status = response.status_code
        reason = reason_in(body)
        if status == 401:
            return ImpulsumError(
                Category.AUTHENTICATION,
                f"{self.site} refused the credentials{reason}",
                where=where,
                next_step="check the account and its token: a typing error, an expired or a revoked token.",
            )
        if status == 404:
            return NotFoundError(where)
        if status == 429 or (status == 503 and "Retry-After" in response.headers):
            limit = response.headers.get("RateLimit-Reason", "no reason given")
            wait = retry_after(response.headers.get("Retry-After"))
            until = "" if wait is None else f", to be asked again after {wait:g} s"
            return ImpulsumError(
                Category.RATE_LIMIT,
                f"{self.site} limits requests ({limit}){until}",
                where=where,
                next_step="nothing: the next pull continues from the same watermark.",
                retry_after=wait,
            )
        if status >= 500:
            return ImpulsumError(
                Category.SOURCE_OUTAGE,
                f"{self.site} answered {status}",
                where=where,
                next_step="nothing: the next pull catches up. If it lasts, see the vendor's status page.",
            )
        if status == 403:
            return ImpulsumError(
                Category.PERMISSION,
                f"The account may not do this{reason}",
                where=where,
                next_step="ask an administrator of the site for the permission, then run again.",
            )
        answered = "has removed this endpoint" if status == GONE else f"answered {status}"
        return RefusedError(status, f"{self.site} {answered}{reason}", where=where)

    def _may_pass(self, error: BaseException) -> bool:
        """Whether to try again here: it may pass, and the source does not ask for a longer wait than we accept."""
        wait = (error.retry_after or 0) if isinstance(error, ImpulsumError) and error.retryable else None
        return wait is not None and wait <= self._longest_wait

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ImpulsumError) else None
        seconds = asked if asked is not None else BACKOFF * 2 ** (state.attempt_number - 1)
        seconds = min(seconds, LONGEST_WAIT / 4) if asked is None else seconds
        if isinstance(error, ImpulsumError):
            log.warning("%s: %s; trying again in %g s", error.where, error.what, seconds)
            if error.category is Category.RATE_LIMIT:
                self.traffic.count_wait(seconds)
                self._budget.pause(seconds)
        return seconds


def _parsed(content: bytes) -> tuple[Any, bool]:
    """The body and whether it is JSON.

    A text cut in the middle of a character (``"\\ud83d"``) must not make the page unreadable: the half becomes U+FFFD.
    """
    try:
        return orjson.loads(content), True
    except orjson.JSONDecodeError:
        pass
    try:
        text = json.dumps(json.loads(content), ensure_ascii=False, allow_nan=False)
        return orjson.loads(LONE_SURROGATE.sub("\ufffd", text)), True
    except (ValueError, RecursionError):
        return None, False


def retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header: a number, or an HTTP date."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def reason_in(body: Any) -> str:
    """The source's own message in an answer, shortened: ``: The value 'X' does not exist``; empty when it has none."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors")
    texts = [*(body.get("errorMessages") or []), *(errors.values() if isinstance(errors, dict) else [])]
    if not texts and isinstance(body.get("message"), str):
        texts = [body["message"]]
    return f": {' '.join(str(text) for text in texts)[:300]}" if texts else ""
