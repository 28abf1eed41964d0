"""Deadlines of the working day, for business hours of any length."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dagster._core.definitions.freshness import CronFreshnessPolicy

from impulsum_pipelines.base.catalog import working_day_deadline
from impulsum_pipelines.settings import load_settings


@pytest.mark.parametrize(
    ("hours", "within", "deadlines"),
    [
        ("8-18", timedelta(minutes=30), "9,10,11,12,13,14,15,16,17,18"),
        ("8-18", timedelta(hours=3), "11,14,17"),
        ("9-10", timedelta(hours=3), "10"),
        ("23-24", timedelta(hours=1), "23"),
        ("0-24", timedelta(hours=8), "8,16"),
    ],
)
def test_deadlines_are_in_business_hours(
    monkeypatch: pytest.MonkeyPatch, hours: str, within: timedelta, deadlines: str
) -> None:
    monkeypatch.setenv("IMPULSUM_BUSINESS_HOURS", hours)
    monkeypatch.setenv("IMPULSUM_TIMEZONE", "Europe/Berlin")
    policy = working_day_deadline(within, load_settings())
    assert isinstance(policy, CronFreshnessPolicy)
    assert (policy.deadline_cron, policy.timezone) == (f"0 {deadlines} * * 1-5", "Europe/Berlin")
