"""One frozen table: each source with its cadence, freshness, pool and priority.

Schedules, freshness policies, checks, pools and queue priorities are derived from it; nothing else names a source's
cadence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Tier:
    """How fresh one source is kept.

    Args:
        source: name of the folder in ``sources/``, of the raw file and of the asset group.
        title: the name that people use.
        every_minutes: cadence of the live pull in business hours, minutes.
        fresh_within: age of the newest pull above which the source counts as stale in business hours.
        lost_after: age above which staleness is an error at any hour: a night and a weekend are not.
        pool: the concurrency pool of its loads.
        priority: ``dagster/priority`` of its live runs; higher is sooner. Backfills run below zero.
    """

    source: str
    title: str
    every_minutes: int
    fresh_within: timedelta
    lost_after: timedelta
    pool: str
    priority: int


TIERS = (
    Tier(
        source="jira",
        title="Jira",
        every_minutes=15,
        fresh_within=timedelta(minutes=45),
        lost_after=timedelta(hours=72),
        pool="jira",
        priority=5,
    ),
    Tier(
        source="fireflies",
        title="Fireflies",
        every_minutes=60,
        fresh_within=timedelta(minutes=180),
        lost_after=timedelta(hours=72),
        pool="fireflies",
        priority=2,
    ),
)
