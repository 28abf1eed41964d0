"""Fireflies' refusals as errors with a category and a next step. Fireflies answers with status 200 even then.

Vendor page: https://docs.fireflies.ai/miscellaneous/error-codes. An error that concerns one item has a path, and the
rest of the answer is good: such errors are left to the caller.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import requests

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import retry_after
from impulsum_pipelines.sources.base.values import as_datetime

NOT_FOUND = "object_not_found"
_LIMITED = "too_many_requests"
_AUTHENTICATION = frozenset({"auth_failed", "unauthenticated", "unauthorized"})
_PERMISSION = frozenset(
    {"account_cancelled", "paid_required", "forbidden", "require_elevated_privilege", "not_in_team", "admin_must_exist"}
)
_OUR_QUERY = frozenset(
    {"invalid_arguments", "args_required", "graphql_validation_failed", "graphql_parse_failed", "bad_user_input"}
)
#: Codes that concern the whole request, even in an error with a path.
_WHOLE_REQUEST = _AUTHENTICATION | {_LIMITED, "account_cancelled"}


def to_error(response: requests.Response, body: Any) -> ImpulsumError | None:
    """The answer as an error; None when it has data, even if some items failed."""
    errors = errors_of(body)
    if not errors:
        has_data = isinstance(body, dict) and isinstance(body.get("data"), dict)
        return no_data() if response.status_code == 200 and body is not None and not has_data else None
    for error in errors:
        if code_of(error) in _WHOLE_REQUEST:
            return _refusal(error, response)
    data = body.get("data")
    if isinstance(data, dict) and data:
        if any(value is not None for value in data.values()):
            return None
        if all(code_of(error) == NOT_FOUND and error.get("path") for error in errors):
            return None
    return _refusal(errors[0], response)


def errors_of(body: Any) -> list[dict[str, Any]]:
    """The errors in an answer."""
    errors = body.get("errors") if isinstance(body, dict) else None
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def code_of(error: dict[str, Any]) -> str:
    """An error's code, lower case. Fireflies puts it in one of two places."""
    return str(error.get("code") or _extensions(error).get("code") or "").lower()


def _extensions(error: dict[str, Any]) -> dict[str, Any]:
    extensions = error.get("extensions")
    return extensions if isinstance(extensions, dict) else {}


def no_data() -> ImpulsumError:
    """The error for an answer that has no data and no reason."""
    return ImpulsumError(
        Category.BAD_DATA,
        "Fireflies answered without data and without an error",
        next_step="run again. If it stays, check FIREFLIES_API_URL: it must be the GraphQL endpoint.",
    )


def _refusal(error: dict[str, Any], response: requests.Response) -> ImpulsumError:
    code = code_of(error)
    reason = f"{code or 'no code'}: {str(error.get('message'))[:300]}"
    if code in _AUTHENTICATION:
        return ImpulsumError(
            Category.AUTHENTICATION,
            f"Fireflies refused the credentials ({reason})",
            next_step="check FIREFLIES_API_KEY: it has a typing error, or the key was revoked.",
        )
    if code == _LIMITED:
        return _limited(error, response)
    if code in _PERMISSION:
        return ImpulsumError(
            Category.PERMISSION,
            f"The owner of the API key may not do this ({reason})",
            next_step="use the key of an account whose plan and role allow it, then run again.",
        )
    if code in _OUR_QUERY:
        return ImpulsumError(
            Category.INTERNAL,
            f"Fireflies does not understand our query ({reason})",
            next_step="report it as a bug: the vendor's schema has changed.",
        )
    return ImpulsumError(
        Category.SOURCE_OUTAGE,
        f"Fireflies failed to answer ({reason})",
        next_step="nothing: the next pull catches up. If it lasts, see the vendor's status page.",
    )


def _limited(error: dict[str, Any], response: requests.Response) -> ImpulsumError:
    metadata = _extensions(error).get("metadata")
    wait = seconds_until(metadata.get("retryAfter")) if isinstance(metadata, dict) else None
    if wait is None:
        wait = retry_after(response.headers.get("Retry-After"))
    until = "" if wait is None else f" until {datetime.fromtimestamp(time.time() + wait, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return ImpulsumError(
        Category.RATE_LIMIT,
        f"Fireflies answers no more requests of this key{until}",
        next_step="nothing: the first pull after that continues where this one stopped.",
        retry_after=wait,
    )


def seconds_until(retry_at: object) -> float | None:
    """Seconds from now to ``retryAfter``, which the docs call a time without giving its format.

    Understood: ISO 8601, epoch milliseconds or seconds, and seconds to wait (a number up to a day). None for any other.
    """
    if isinstance(retry_at, str):
        with suppress(ValueError):
            retry_at = float(retry_at)
    if isinstance(retry_at, int | float) and not isinstance(retry_at, bool) and retry_at <= 86_400:
        return max(float(retry_at), 0.0)
    at = as_datetime(retry_at)
    return None if at is None else max(at.timestamp() - time.time(), 0.0)
