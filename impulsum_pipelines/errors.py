"""Errors for the person who must act: what failed, where, what is safe, and what to do next.

Every failure that reaches a user is an :class:`ImpulsumError` of one of eight categories. The category decides whether
a retry can help (see ``retryable``); the history of syncs and the alerts are grouped by it. Messages never contain a
secret: they are built from names and numbers, not from requests.
"""

from __future__ import annotations

from enum import StrEnum


class Category(StrEnum):
    """Why something failed, as the person who must act would name it."""

    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    RATE_LIMIT = "rate limit"
    NETWORK = "network"
    SOURCE_OUTAGE = "source outage"
    BAD_DATA = "bad data"
    CONFIGURATION = "configuration"
    INTERNAL = "internal"


#: Categories that may pass by themselves: a retry can succeed although nobody acted.
PASSING = frozenset({Category.RATE_LIMIT, Category.NETWORK, Category.SOURCE_OUTAGE, Category.BAD_DATA})


class ImpulsumError(Exception):
    """A failure: what, where, what is safe, and the next step.

    Args:
        category: why it failed.
        what: what failed, in one sentence without a full stop at the end.
        next_step: what the reader should do now.
        where: source, table and window, such as ``jira issues 2026-11-01..2026-11-02``.
        safe: which data is unchanged.
        retry_after: seconds to wait before a retry, when the source asked for a wait.
    """

    def __init__(
        self,
        category: Category,
        what: str,
        *,
        next_step: str,
        where: str = "",
        safe: str = "Nothing that is already stored was changed.",
        retry_after: float | None = None,
    ) -> None:
        self.category = category
        self.what = what
        self.next_step = next_step
        self.where = where
        self.safe = safe
        self.retry_after = retry_after
        super().__init__(str(self))

    @property
    def retryable(self) -> bool:
        """True when a retry can succeed although nobody acted."""
        return self.category in PASSING

    def __str__(self) -> str:
        subject = f" ({self.where})" if self.where else ""
        return f"[{self.category.value}] {self.what}{subject}. {self.safe} Next: {self.next_step}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.category, self.what, self.next_step, self.where, self.safe, self.retry_after)


def _rebuild(
    category: Category, what: str, next_step: str, where: str, safe: str, retry_after: float | None
) -> ImpulsumError:
    return ImpulsumError(category, what, next_step=next_step, where=where, safe=safe, retry_after=retry_after)
