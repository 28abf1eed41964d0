"""GitHub's refusals as errors with a category and a next step.

Vendor page: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api. Throttling is recognized
before a missing permission: both come as 403, and throttling also as 429.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import requests

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import NotFoundError, retry_after

#: Seconds to wait after a throttle that does not say how long: the vendor asks for at least a minute.
DEFAULT_WAIT = 60.0


class EmptyRepositoryError(ImpulsumError):
    """The repository has no commit (HTTP 409): an answer, not a failure."""

    def __init__(self) -> None:
        super().__init__(Category.BAD_DATA, "The repository is empty", next_step="nothing.")

    @property
    def retryable(self) -> bool:
        """Asking again changes nothing."""
        return False


class GoneError(NotFoundError):
    """The thing was deleted, or its kind is turned off in the repository (HTTP 410)."""


def to_error(response: requests.Response, body: Any) -> ImpulsumError | None:
    """The answer as an error; None where its status alone says enough."""
    reason = str(body.get("message", "")) if isinstance(body, dict) else ""
    if response.status_code in (403, 429):
        wait = _throttled_for(response, reason)
        return _no_permission(response, reason) if wait is None else _throttled(wait, reason)
    if response.status_code == 409 and "empty" in reason:
        return EmptyRepositoryError()
    if response.status_code == 410:
        return GoneError("")
    if response.status_code == 451:
        return _blocked(reason)
    return None


def requests_left(response: requests.Response) -> int | None:
    """How many requests of the hour are left.

    None where GitHub does not say, or says "none of none": an Enterprise server with its limits off.
    """
    left = response.headers.get("X-RateLimit-Remaining", "")
    return int(left) if left.isdigit() and response.headers.get("X-RateLimit-Limit") != "0" else None


def seconds_until_reset(response: requests.Response) -> float | None:
    """Seconds until the hour's limit is reset, by GitHub's own clock, since ours may be wrong; None where not given."""
    reset, date = response.headers.get("X-RateLimit-Reset", ""), response.headers.get("Date")
    if not reset.isdigit() or not date:
        return None
    return max(int(reset) - parsedate_to_datetime(date).timestamp(), 1.0)


def _throttled_for(response: requests.Response, reason: str) -> float | None:
    """Seconds to wait when a 403 or 429 is a throttle, by the signs in the vendor's order; None for a refusal."""
    wait = retry_after(response.headers.get("Retry-After"))
    if wait is not None:
        return wait
    if requests_left(response) == 0:
        wait = seconds_until_reset(response)
        return DEFAULT_WAIT if wait is None else wait
    is_throttle = response.status_code == 429 or "rate limit" in reason.lower() or "abuse" in reason.lower()
    return DEFAULT_WAIT if is_throttle else None


def _throttled(wait: float, reason: str) -> ImpulsumError:
    return ImpulsumError(
        Category.RATE_LIMIT,
        f"GitHub limits requests ({reason or 'no reason given'}), to be asked again after {wait:g} s",
        next_step="nothing: the first pull after that continues where this one stopped.",
        retry_after=wait,
    )


def _no_permission(response: requests.Response, reason: str) -> ImpulsumError:
    if sso := response.headers.get("X-GitHub-SSO"):
        step = f"authorize the token for single sign-on: {sso.partition('url=')[2] or 'in its settings'}"
    elif needed := response.headers.get("X-Accepted-GitHub-Permissions"):
        step = f"give the token the permission {needed}, then run again"
    else:
        step = "give the token read access to the repository, then run again"
    return ImpulsumError(
        Category.PERMISSION, f"The token may not do this: {reason or 'no reason given'}"[:300], next_step=f"{step}."
    )


def _blocked(reason: str) -> ImpulsumError:
    return ImpulsumError(
        Category.PERMISSION,
        f"The repository is blocked for legal reasons: {reason or 'no reason given'}"[:300],
        next_step="leave it out of GITHUB_REPOSITORIES, or ask GitHub's support.",
    )
