"""Turns Slack's refusals into errors. Slack refuses with HTTP 200, ``ok: false`` and a code.

Each code has its category and next step. Codes: the lists at the end of each page of https://docs.slack.dev/reference/methods.
"""

from __future__ import annotations

from typing import Any

import requests

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import retry_after

_LATER = "nothing: the next pull continues from the same watermark. If it lasts, see Slack's status page."
_NEW_TOKEN = "install the app again and set SLACK_BOT_TOKEN to its new bot token."  # noqa: S105  # words, no token
_INVITE = "invite the app to the channel, or do nothing: the other channels are read."
_BUG = "report it as a bug, with this message."

#: By code: the category, what it means, and the next step.
_MEANINGS: dict[str, tuple[Category, str, str]] = {
    code: meaning
    for codes, meaning in (
        (
            ("not_authed", "invalid_auth", "not_allowed_token_type"),
            (Category.AUTHENTICATION, "Slack refused the token", f"check SLACK_BOT_TOKEN (xoxb-…); else {_NEW_TOKEN}"),
        ),
        (
            ("token_revoked", "token_expired"),
            (Category.AUTHENTICATION, "Slack no longer accepts the token", _NEW_TOKEN),
        ),
        (
            ("account_inactive", "user_removed_from_team"),
            (Category.AUTHENTICATION, "The app was removed from the workspace", _NEW_TOKEN),
        ),
        (
            ("missing_scope", "no_permission", "access_denied", "ekm_access_denied", "org_login_required",
             "team_access_not_granted", "restricted_action"),
            (Category.PERMISSION, "The app may not do this",
             "give the app the permission, install it again, and run again."),
        ),
        (
            ("not_in_channel", "channel_not_found", "is_inactive", "method_not_supported_for_channel_type"),
            (Category.PERMISSION, "The app may not read the channel", _INVITE),
        ),
        (
            ("ratelimited", "rate_limited"),
            (Category.RATE_LIMIT, "Slack limits requests", "nothing: the next pull continues from the same watermark."),
        ),
        (
            ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org",
             "fetch_members_failed", "invalid_cursor"),
            (Category.SOURCE_OUTAGE, "Slack could not answer", _LATER),
        ),
        (
            ("thread_not_found", "message_not_found"),
            (Category.PERMISSION, "The thread is gone", "nothing: it was deleted while the pull read it."),
        ),
    )
    for code in codes
}  # fmt: skip

#: Codes: the bot is not, or no longer, in the channel.
NOT_READABLE = frozenset(
    {"not_in_channel", "channel_not_found", "is_inactive", "method_not_supported_for_channel_type"}
)
#: Codes: the thread was deleted.
THREAD_GONE = frozenset({"thread_not_found", "message_not_found"})


class SlackError(ImpulsumError):
    """A refusal of Slack (``ok: false``); :attr:`code` is Slack's own code for the reason."""

    def __init__(self, code: str, body: dict[str, Any], wait: float | None = None) -> None:
        self.code = code
        unknown = (Category.INTERNAL, "Slack refused a request with a code that is not known here", _BUG)
        category, what, next_step = _MEANINGS.get(code, unknown)
        needed = body.get("needed")
        if code == "missing_scope" and needed:
            what = f"The app lacks the scope {needed}"
            next_step = f"add {needed} to the app's bot token scopes, install the app again, and run again."
        asked = f", to be asked again after {wait:g} s" if wait is not None else ""
        super().__init__(category, f"{what} ({code}){asked}", next_step=next_step, retry_after=wait)


def to_error(response: requests.Response, body: Any) -> ImpulsumError | None:
    """The error in an answer; None when there is none, or when the status alone decides (HTTP 429 and 5xx)."""
    if response.status_code >= 429 or not isinstance(body, dict) or body.get("ok") is True:
        return None
    if body.get("ok") is False:
        code = str(body.get("error", "no reason given"))
        return SlackError(code, body, retry_after(response.headers.get("Retry-After")))
    if response.status_code >= 400:
        return None
    return ImpulsumError(
        Category.BAD_DATA,
        "The answer is JSON, but not from Slack: it has no field ok",
        next_step="check SLACK_API_URL, and whether a proxy answers in Slack's place.",
    )
