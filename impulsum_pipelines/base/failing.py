"""How an error of ours becomes a failed step in Dagster, and how a failed step becomes that error again.

Both directions are here, because they share the labels under which Dagster keeps the parts of an error.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from impulsum_pipelines.errors import Category, ImpulsumError

#: The owner of every asset that names none of its own.
OWNER = "team:data-platform"

#: Tries after the first one. The HTTP client retries single requests; these are for what outlasts that.
RETRIES = 3
_FIRST_WAIT = 30
_LONGEST_WAIT = 900


def failure(error: ImpulsumError, tried: int) -> dg.Failure | dg.RetryRequested:
    """What Dagster should do about an error.

    Wrong tokens, missing permissions and configuration stay wrong until somebody acts: they fail at once. What
    passes by itself is tried again, after the wait that the source asked for or else a growing one.

    Args:
        error: what went wrong.
        tried: how many times the op was retried already.
    """
    if error.retryable and tried < RETRIES:
        wait = error.retry_after if error.retry_after is not None else _FIRST_WAIT * 2**tried
        return dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=min(wait, _LONGEST_WAIT))
    return dg.Failure(
        description=str(error),
        metadata={
            "category": error.category.value,
            "what failed": error.what,
            "where": error.where,
            "what is safe": error.safe,
            "next step": error.next_step,
        },
        allow_retries=False,
    )


def error_of(metadata: Mapping[str, dg.MetadataValue]) -> ImpulsumError | None:
    """The error that :func:`failure` described in a step's metadata; None when the step failed otherwise."""
    if "what failed" not in metadata:
        return None
    facts = {label: str(value.value) for label, value in metadata.items()}
    return ImpulsumError(
        Category(facts["category"]),
        facts["what failed"],
        where=facts["where"],
        safe=facts["what is safe"],
        next_step=facts["next step"],
    )
