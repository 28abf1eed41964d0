"""The one HTTP client of all sources: retries, Retry-After, budgets, and errors that say what to do.

A request ends in parsed JSON or in an :class:`ImpulsumError`. What can pass by itself (network, 429, 5xx, a page
cut short) is tried again here; a wait that is too long to sit out is raised, see :mod:`_limits`.
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
#: Attempts, and seconds that a source may ask us to wait, where somebody waits for the outcome.
HURRIED_ATTEMPTS, HURRIED_WAIT = 3, 10.0
#: What a vendor answers for ever at the address of an endpoint that it removed.
GONE = 410
#: Answers that have no body by their nature.
WITHOUT_BODY = (204, 304)
#: Half of a pair: legal in JSON text, no character, and refused by every strict parser.
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
#: Seconds to connect, and seconds between two bytes of an answer.
TIMEOUT = (10, 60)


@dataclass
class Traffic:
    """What one sync cost: requests sent, waits that the source imposed, and the source's own clock."""

    requests: int = 0
    limit_waits: int = 0
    limit_wait_seconds: float = 0.0
    clock: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answered(self, date_header: str | None) -> None:
        """Count one answer and read the source's clock from its Date header."""
        with self._lock:
            self.requests += 1
            if date_header:
                self.clock = parsedate_to_datetime(date_header).astimezone(UTC)

    def waited(self, seconds: float) -> None:
        """Count one wait that the source asked for."""
        with self._lock:
            self.limit_waits += 1
            self.limit_wait_seconds += seconds


class NotFoundError(ImpulsumError):
    """The thing asked for does not exist or may not be seen (HTTP 404)."""

    def __init__(self, where: str) -> None:
        super().__init__(
            Category.PERMISSION,
            "Not found, or not visible to this account",
            where=where,
            next_step="check that the account may see it.",
        )


class RefusedError(ImpulsumError):
    """The source understood the request and will not do it: a 4xx that has no meaning of its own here."""

    def __init__(self, status: int, what: str, *, where: str) -> None:
        super().__init__(
            Category.CONFIGURATION,
            what,
            where=where,
            next_step="update impulsum_pipelines to a version that does without it; if there is none, report it."
            if status == GONE
            else "correct the setting that the message names; if none is named, report it as a bug.",
        )
        self.status = status


@dataclass(frozen=True)
class Answer:
    """One answer: its body as parsed JSON (None where it has none, such as 304), headers and status."""

    body: Any
    headers: Mapping[str, str]
    status: int
    links: Mapping[str, str]


#: Reads an answer as its vendor means it: the error that it is, or None where the status alone decides.
Judge = Callable[[requests.Response, Any], ImpulsumError | None]


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
        connections: how many threads may call at once.
        judge: sees every answer and its body (None unless JSON) before the status is looked at.
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
        judge: Judge | None = None,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.site = urlsplit(self.base_url).netloc
        self.traffic = Traffic()
        self._attempts, self._longest_wait = ATTEMPTS, LONGEST_WAIT
        self._budget = budget
        self._judge = judge
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc must not override the account, nor a proxy see a token
        self._session.auth = auth
        self._session.headers.update({"Accept": "application/json", **(headers or {})})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=connections))

    def fail_fast(self) -> None:
        """Give up soon where the source is down or asks for a wait: somebody waits, and what is held will do."""
        self._attempts, self._longest_wait = HURRIED_ATTEMPTS, HURRIED_WAIT

    def close(self) -> None:
        """Close the connections and the books."""
        self._session.close()
        self._budget.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """The JSON at a path; the options are those of :meth:`ask`."""
        return self.ask("GET", path, params=params, **options).body

    def post(self, path: str, body: Mapping[str, Any], **options: Any) -> Any:
        """The JSON that a path which only reads answers to a JSON body; the options are those of :meth:`ask`."""
        return self.ask("POST", path, data=orjson.dumps(body), **options).body

    def ask(
        self,
        method: str,
        path: str,
        *,
        endpoint: str | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> Answer:
        """Send one request, again where that can help.

        Args:
            method: GET or POST.
            path: below the base URL; or a whole URL below it, as a vendor's link to the next page is.
            endpoint: the path's template where it holds an id; messages name it.
            kind: what the budget counts it as; the method and endpoint when None.
            headers: sent with this request.
            arguments: ``params`` or ``data``, as of requests.

        Raises:
            ImpulsumError: whatever did not pass by itself. Of category bad data when a whole URL leads elsewhere:
                the token is not sent there.
        """
        if not path.startswith("/"):
            path = self._own(path)
        endpoint = endpoint or path.partition("?")[0]
        retrying = Retrying(
            retry=retry_if_exception(self._passes),
            stop=stop_after_attempt(self._attempts),
            wait=self._wait,
            reraise=True,
        )
        answer: Answer = retrying(
            self._once, method, path, f"{self.name} {method} {endpoint}", kind or f"{method} {endpoint}", headers,
            arguments,
        )  # fmt: skip
        return answer

    def _own(self, url: str) -> str:
        if not url.startswith(f"{self.base_url}/"):
            raise ImpulsumError(
                Category.BAD_DATA,
                f"{self.site} sent a link to another host ({urlsplit(url).netloc or 'none'})",
                where=self.name,
                next_step="check the base URL; a proxy may have rewritten the answer.",
            )
        return url.removeprefix(self.base_url)

    def _once(
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
        self.traffic.answered(response.headers.get("Date"))
        body, is_json = _parsed(content)
        if judged := self._judge(response, body) if self._judge else None:
            judged.where = judged.where or where
            raise judged
        if response.status_code >= 400:
            raise self._failure(response, where)
        if not is_json and response.status_code not in WITHOUT_BODY:
            raise ImpulsumError(
                Category.BAD_DATA,
                f"{self.site} answered with {len(content)} bytes that are not JSON",
                where=where,
                next_step="usually a page cut short: run again. If it stays, look at that page in the browser.",
            )
        links = {name: str(link["url"]) for name, link in response.links.items()}
        return Answer(body, response.headers, response.status_code, links)

    def _failure(self, response: requests.Response, where: str) -> ImpulsumError:
        status = response.status_code
        said = _message(response)
        if status == 401:
            return ImpulsumError(
                Category.AUTHENTICATION,
                f"{self.site} refused the credentials{said}",
                where=where,
                next_step="check the account and its token: a typing error, an expired or a revoked token.",
            )
        if status == 404:
            return NotFoundError(where)
        if status == 429 or (status == 503 and "Retry-After" in response.headers):
            reason = response.headers.get("RateLimit-Reason", "no reason given")
            wait = retry_after(response.headers.get("Retry-After"))
            until = "" if wait is None else f", to be asked again after {wait:g} s"
            return ImpulsumError(
                Category.RATE_LIMIT,
                f"{self.site} limits requests ({reason}){until}",
                where=where,
                next_step="nothing: the next pull goes on from the same watermark.",
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
                f"The account may not do this{said}",
                where=where,
                next_step="ask an administrator of the site for the permission, then run again.",
            )
        answered = "has removed what was asked for" if status == GONE else f"answered {status}"
        return RefusedError(status, f"{self.site} {answered}{said}", where=where)

    def _passes(self, error: BaseException) -> bool:
        """Worth another try here: it may pass, and the source does not ask for a longer wait than we sit out."""
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
                self.traffic.waited(seconds)
                self._budget.pause(seconds)
        return seconds


def _parsed(content: bytes) -> tuple[Any, bool]:
    """The body and whether it is JSON.

    A text cut in the middle of a character (``"\\ud83d"``) must not cost the page: half a pair becomes U+FFFD.
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


def _message(response: requests.Response) -> str:
    """What the source said, cut short: ``: The value 'X' does not exist…``, or nothing."""
    body, _ = _parsed(response.content)
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors")
    texts = [*(body.get("errorMessages") or []), *(errors.values() if isinstance(errors, dict) else [])]
    if not texts and isinstance(body.get("message"), str):
        texts = [body["message"]]
    return f": {' '.join(str(text) for text in texts)[:300]}" if texts else ""
