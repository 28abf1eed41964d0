"""Pulls a source live, as often as its schedule, while a test lets months pass: ``pytest --live-minutes 15``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.base.limits import Budget

#: Hours of the day in which the schedules pull.
HOURS = range(8, 18)

Live = Callable[[Running, Callable[[], Any]], None]


def due(after: datetime, until: datetime, every: timedelta) -> Iterator[datetime]:
    """The times of the schedule in [after, until)."""
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    instant = midnight + every * ((after - midnight) // every + 1)
    while instant < until:
        if instant.hour in HOURS:
            yield instant
        instant += every


def pull_as_time_passes(site: Running, pull: Callable[[], Any], every: timedelta, patch: pytest.MonkeyPatch) -> None:
    """From now on, when a test moves the site's clock, do the pulls of the schedule in that span.

    They use the home that is set now, even when a test sets another one later. Budgets, which count by the real clock,
    are off: a month passes in minutes.
    """
    control, home = site.control, os.environ["IMPULSUM_HOME"]

    def passing(verb: str, **arguments: Any) -> dict[str, Any]:
        moves = verb == "clock" and not {"advance_seconds", "now"}.isdisjoint(arguments)
        if not moves:
            return control(verb, **arguments)
        now = datetime.fromisoformat(control("clock")["now"])
        goal = (
            datetime.fromisoformat(arguments["now"])
            if "now" in arguments
            else now + timedelta(seconds=arguments["advance_seconds"])
        )
        for instant in due(now, goal, every):
            control("clock", now=instant.isoformat())
            with pytest.MonkeyPatch.context() as there:
                there.setenv("IMPULSUM_HOME", home)
                pull()
        return control("clock", now=goal.isoformat())

    patch.setattr(site, "control", passing)
    patch.setattr(Budget, "take", lambda *_: 0.0)
