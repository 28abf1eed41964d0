"""A site at which people keep working: after each sync and incremental build, velocity equals the truth.

A deletion takes the issue's history with it, and the pipeline learns of it when it next counts: what happened to the
issue since the sync before, and when it went, no reader can tell. So each deletion here is between two syncs that
nothing else separates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.truth import differences, velocity, velocity_builds

NOW = "2026-11-02T09:00:00Z"
STATUSES = ("To Do", "In Progress", "In Review", "Done", "Cancelled")
HOUR = 3600


class People:
    """People who work at a site; each edit is an hour after the last one."""

    def __init__(self, site: Any, home: Path, build: Callable[[Path], None]) -> None:
        self._site = site
        self._home = home
        self._build = build
        self._rng = Random(4)
        site.control("clock", freeze=True)

    def __call__(self, verb: str, **arguments: Any) -> dict[str, Any]:
        self._site.control("clock", advance_seconds=HOUR)
        done: dict[str, Any] = self._site.control(verb, **arguments)
        return done

    def issue(self, **details: Any) -> str:
        return str(self("create_issue", **({"project": "ATLAS"} | details))["id"])

    def sprint(self, name: str, days: int = 7) -> int:
        return int(self("create_sprint", board=1, name=name, days=days)["id"])

    def work_at_random(self, edits: int) -> None:
        """Make random edits to random issues, in any sprint."""
        ids = [issue for issues in self._site.control("ids").values() for issue in issues]
        sprints = self._site.control("sprints")["sprints"]
        places = [None, *(sprint["id"] for sprint in sprints if sprint["state"] != "closed")]
        for _ in range(edits):
            issue, kind = self._rng.choice(ids), self._rng.randrange(4)
            if kind == 0:
                self("set_sprint", issue=issue, sprint=self._rng.choice(places))
            elif kind == 1:
                self("estimate", issue=issue, value=self._rng.choice([None, 0, 1, 2.5, 8]))
            else:
                self("transition", issue=issue, status=self._rng.choice(STATUSES))

    def agree(self, *deleted: str) -> dict[str, dict[str, Any]]:
        """Sync, delete, sync with a census, build on what is there, and compare it with the truth.

        Returns:
            The rows of velocity.sprint_velocity by sprint.
        """
        if deleted:
            self._sync()
        for issue in deleted:
            self._site.control("delete_issue", issue=issue)
        self._sync(census=True)
        self._build(self._home)
        assert differences(self._home / "warehouse.duckdb", self._site.truth()) == {}
        return velocity(self._home / "warehouse.duckdb")

    def _sync(self, *, census: bool = False) -> None:
        """Sync at the next whole second: the site's times are in seconds."""
        now = datetime.fromisoformat(self._site.control("clock")["now"])
        self._site.control("clock", now=(now.replace(microsecond=0) + timedelta(seconds=1)).isoformat())
        run_load("jira", load_settings(), census=census)


@pytest.fixture
def people(sandbox: Callable[..., Any], tmp_path: Path) -> Iterator[People]:
    with velocity_builds() as build:
        yield People(sandbox(seed=21, issues=130, now=NOW, projects=2), tmp_path / "home", build)


@pytest.mark.long
@pytest.mark.exhaustive
def test_velocity_stays_the_truth_while_people_work(people: People) -> None:
    one, two, three = (people.sprint(name) for name in ("One", "Two", "Three"))
    done, grows, emptied, leaves, early = (people.issue(sprint=one, estimate=points) for points in (5, 3, 8, 2, 1))
    goes, late = (people.issue(sprint=one) for _ in range(2))
    outside = people.issue(estimate=13)
    people("transition", issue=early, status="Done")
    people("start_sprint", sprint=one)
    people.agree()

    people("transition", issue=done, status="Done")
    people("estimate", issue=grows, value=13)
    people("estimate", issue=emptied)
    people("set_sprint", issue=outside, sprint=one)
    people("set_sprint", issue=leaves)
    people("estimate", issue=leaves, value=4)
    people("set_sprint", issue=leaves, sprint=one)
    people("transition", issue=early, status="In Progress")
    people("move_issue", issue=goes, project="BEAM")
    deleted = people.issue(sprint=one, estimate=6)
    people.issue(sprint=one, type="Sub-task", parent=late, status="Done")
    people.work_at_random(40)
    running = people.agree(deleted, goes)[str(one)]
    assert (running["state"], running["committed_issues"]) == ("active", 6)
    assert running["removed_issues"] >= 3 and running["reestimated_issues"] >= 2

    people("clock", advance_seconds=9 * 24 * HOUR)  # past the planned end
    people("transition", issue=late, status="Done")
    people("complete_sprint", sprint=one, carry_to=two)
    people("start_sprint", sprint=two)
    people("transition", issue=done, status="In Progress")  # what was published stays; the drift is shown
    people("estimate", issue=late, value=21)
    people.work_at_random(40)
    closed = people.agree(emptied, grows)[str(one)]
    assert closed["completed_at"] > closed["planned_end_at"]
    assert closed["reopened_since_close_issues"] >= 1 and closed["carryover_issues"] >= 1

    people("reopen_sprint", sprint=one)
    people.issue(sprint=one, estimate=3, status="Done")
    people("delete_sprint", sprint=two)
    people("delete_sprint", sprint=three)
    people.work_at_random(40)
    reopened = people.agree()
    assert reopened[str(one)]["state"] == "active" and reopened[str(one)]["completed_at"] is None
    assert reopened[str(two)]["is_deleted"] and reopened[str(two)]["final_issues"] == 0

    people("complete_sprint", sprint=one)
    assert people.agree(done)[str(one)]["state"] == "closed"
