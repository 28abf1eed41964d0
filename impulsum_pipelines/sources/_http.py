"""The one HTTP client of all sources: retries, Retry-After, budgets, and errors that say what to do.

A request ends in parsed JSON or in an :class:`ImpulsumError`. What can pass by itself (network, 429, 5xx, a page
cut short) is tried again here; a wait longer than :data:`LONGEST_WAIT` is not sat out but raised, so that whoever
called can let go of what it holds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from pyrate_limiter import Duration, Limiter, Rate
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from impulsum_pipelines.errors import Category, ImpulsumError

log = logging.getLogger(__name__)

#: Seconds of Retry-After above which we raise instead of sleeping.
LONGEST_WAIT = 120.0
#: First wait after a failure without Retry-After, seconds; doubles with each attempt, up to LONGEST_WAIT / 4.
BACKOFF = 1.0
ATTEMPTS = 6
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


class Api:
    """JSON over HTTP to one base URL.

    Args:
        name: the source's title, used in messages.
        base_url: scheme and host, without a final slash.
        auth: a requests authentication object; never printed.
        headers: sent with every request.
        per_second: proactive budget for each method and endpoint.
        connections: how many threads may call at once.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        auth: AuthBase,
        headers: Mapping[str, str] | None = None,
        per_second: int = 90,
        connections: int = 4,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.site = urlsplit(self.base_url).netloc
        self.traffic = Traffic()
        self._per_second = per_second
        self._limiters: dict[str, Limiter] = {}
        self._limiters_lock = threading.Lock()
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc must not override the account, nor a proxy see a token
        self._session.auth = auth
        self._session.headers.update({"Accept": "application/json", **(headers or {})})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=connections))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, endpoint: str | None = None) -> Any:
        """GET a path; ``endpoint`` names its template where the path holds an id."""
        return self._call("GET", path, endpoint or path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST a JSON body to a path that only reads."""
        return self._call("POST", path, path, data=orjson.dumps(body))

    def _call(self, method: str, path: str, endpoint: str, **arguments: Any) -> Any:
        where = f"{self.name} {method} {endpoint}"
        retrying = Retrying(
            retry=retry_if_exception(_passes),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            reraise=True,
        )
        return retrying(self._once, method, path, where, arguments)

    def _once(self, method: str, path: str, where: str, arguments: dict[str, Any]) -> Any:
        self._limiter(where).try_acquire(where)
        headers = {"Content-Type": "application/json"} if "data" in arguments else {}
        try:
            response = self._session.request(
                method, self.base_url + path, headers=headers, timeout=TIMEOUT, **arguments
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
        if response.status_code >= 400:
            raise self._failure(response, where)
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise ImpulsumError(
                Category.BAD_DATA,
                f"{self.site} answered with {len(content)} bytes that are not JSON",
                where=where,
                next_step="usually a page cut short: run again. If it stays, look at that page in the browser.",
            ) from None

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
            wait = _retry_after(response.headers.get("Retry-After"))
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
        return ImpulsumError(
            Category.CONFIGURATION,
            f"{self.site} answered {status}{said}",
            where=where,
            next_step="correct the setting that the message names; if none is named, report it as a bug.",
        )

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ImpulsumError) else None
        seconds = asked if asked is not None else BACKOFF * 2 ** (state.attempt_number - 1)
        seconds = min(seconds, LONGEST_WAIT / 4) if asked is None else seconds
        if isinstance(error, ImpulsumError):
            log.warning("%s: %s; trying again in %g s", error.where, error.what, seconds)
            if error.category is Category.RATE_LIMIT:
                self.traffic.waited(seconds)
        return seconds

    def _limiter(self, where: str) -> Limiter:
        with self._limiters_lock:
            if where not in self._limiters:
                self._limiters[where] = Limiter(Rate(self._per_second, Duration.SECOND))
            return self._limiters[where]


def _passes(error: BaseException) -> bool:
    """Worth another try here: it may pass, and the source does not ask for a longer wait than we sit out."""
    return isinstance(error, ImpulsumError) and error.retryable and (error.retry_after or 0) <= LONGEST_WAIT


def _retry_after(value: str | None) -> float | None:
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
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors")
    texts = [*(body.get("errorMessages") or []), *(errors.values() if isinstance(errors, dict) else [])]
    if not texts and isinstance(body.get("message"), str):
        texts = [body["message"]]
    return f": {' '.join(str(text) for text in texts)[:300]}" if texts else ""
