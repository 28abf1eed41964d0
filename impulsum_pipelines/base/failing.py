"""Turns an error of ours into a failed Dagster step, and a failed step back into that error.

Both directions are here because they share the labels under which Dagster keeps the parts of an error.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from impulsum_pipelines.errors import Category, ImpulsumError

#: Retries of a step. The HTTP client already retries single requests; these are for longer outages.
RETRIES = 3
_FIRST_WAIT = 30
_LONGEST_WAIT = 900


def failure(error: ImpulsumError, tried: int) -> dg.Failure | dg.RetryRequested:
    """What Dagster should do about an error: retry the step or fail it.

    Wrong tokens, missing permissions and wrong settings stay wrong until somebody acts, so they fail at once. Errors
    that pass by themselves are retried, after the wait that the source asked for, or else a wait that doubles.

    Args:
        error: what went wrong.
        tried: how many times the op was already retried.
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
    """The error that :func:`failure` wrote into a step's metadata; None when the step failed in another way."""
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
