"""The error that stopped an extraction, let out of what dlt wraps around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading.raw import HeldRows
from impulsum_pipelines.sources.base.sync import Sync


@contextmanager
def unwrapped_errors(source: str, held: HeldRows, sync: Sync) -> Iterator[None]:
    """Let the cause out of dlt's wrappers, and tell a token that worked before from one that never did."""
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if cause is None:
            raise
        if cause.category is Category.AUTHENTICATION and (last := held.last_success()):
            raise ImpulsumError(
                Category.AUTHENTICATION,
                f"{sync.site} no longer accepts the token of {source}, which worked until {last:%Y-%m-%d %H:%M} UTC",
                where=cause.where,
                next_step="it was revoked or has expired: make a new one and set it; what was missed is then "
                "caught up from the watermark.",
            ) from None
        raise cause from None


def _cause(error: BaseException | None) -> ImpulsumError | None:
    while error is not None and not isinstance(error, ImpulsumError):
        error = error.__cause__ or error.__context__
    return error
