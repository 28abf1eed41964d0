"""Errors for the person who must act: what failed, on what, what is safe, what to do next.

Every failure that reaches a user is an :class:`ImpulsumError` of one of eight categories. The category decides
whether trying again can help (see ``retryable``) and is what history and alerts group by. Messages never hold a
secret: they are built from names and numbers, not from requests.
"""

from __future__ import annotations

from enum import StrEnum


class Category(StrEnum):
    """Why something failed, in the words of the person who must act on it."""

    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    RATE_LIMIT = "rate limit"
    NETWORK = "network"
    SOURCE_OUTAGE = "source outage"
    BAD_DATA = "bad data"
    CONFIGURATION = "configuration"
    INTERNAL = "internal"


#: Categories that pass by themselves: a later try may succeed without anybody acting.
PASSING = frozenset({Category.RATE_LIMIT, Category.NETWORK, Category.SOURCE_OUTAGE, Category.BAD_DATA})


class ImpulsumError(Exception):
    """A failure with its category, its subject and the next step.

    Args:
        category: one of :class:`Category`.
        what: what failed, in one sentence, without a final full stop.
        next_step: what the reader should do now.
        where: source, entity and window, such as ``jira issues 2026-11-01..2026-11-02``.
        safe: what is known to be unharmed.
        retry_after: seconds to wait before another try makes sense, when the source said so.
    """

    def __init__(
        self,
        category: Category,
        what: str,
        *,
        next_step: str,
        where: str = "",
        safe: str = "Nothing that is already held was changed.",
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
        """True when a later try may succeed without anybody acting."""
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
