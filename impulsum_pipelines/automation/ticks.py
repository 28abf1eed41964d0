"""When a schedule ticks next, and whether it does. Dagster has no public way to ask, so its private names are here."""

from __future__ import annotations

from datetime import datetime, timedelta

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._utils.schedules import cron_string_iterator


def next_tick(cron_line: str, zone: str, now: datetime) -> datetime:
    """The first instant after now that a cron line names.

    Args:
        cron_line: with five fields.
        zone: IANA zone in which it is meant.
        now: the instant.
    """
    return next(cron_string_iterator((now + timedelta(seconds=1)).timestamp(), cron_line, zone))


def is_stopped(instance: dg.DagsterInstance, schedule: str) -> bool:
    """Whether somebody has stopped a schedule that is on by default."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    known = [state.status for state in states if state.instigator_name == schedule]
    return bool(known) and all(status is InstigatorStatus.STOPPED for status in known)
