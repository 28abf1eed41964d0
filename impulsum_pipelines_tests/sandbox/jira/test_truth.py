"""The truth about sprints: its numbers agree for any seed, and are those that people expect for one story."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from statistics import mean
from typing import Any

import pytest

from impulsum_pipelines.sandbox.worlds import generate
from impulsum_pipelines_tests.conftest import SandboxFactory

_NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 150), marks=pytest.mark.exhaustive)])
def test_the_numbers_of_every_sprint_agree(seeds: range) -> None:
    seen = dict.fromkeys(("removed", "done_then_removed", "completed_outside", "reopened_since_close"), 0)
    for seed in seeds:
        for sprint in generate(seed=seed, issues=45, now=_NOW).truth()["sprints"]:
            _check_numbers(sprint)
            for name in seen:
                seen[name] += sprint[f"{name}_issues"]
    assert all(seen.values()), f"some of the disorder is in no seed: {seen}"


def _check_numbers(sprint: dict[str, Any]) -> None:
    def equal(unit: str, *terms: str) -> bool:
        values = {name: sprint[f"{name}_{unit}"] or 0 for name in ("committed", "added", "removed", *terms)}
        changed = sum(values[name] for name in terms)
        return (sprint[f"final_{unit}"] or 0) == values["committed"] + values["added"] - values["removed"] + changed

    assert equal("points", "reestimated"), sprint
    assert equal("issues"), sprint
    assert sprint["completed_issues"] + sprint["unfinished_issues"] <= sprint["final_issues"], sprint
    assert sprint["completed_committed_issues"] <= min(sprint["completed_issues"], sprint["committed_issues"]), sprint
    assert sprint["carryover_issues"] <= sprint["unfinished_issues"], sprint


def test_a_seed_makes_the_same_history() -> None:
    one, other = (generate(seed=7, issues=120, now=_NOW) for _ in range(2))
    query = "SELECT issue_id, created, document FROM histories ORDER BY id"
    assert one.store.db.execute(query).fetchall() == other.store.db.execute(query).fetchall()
    assert one.truth()["sprints"] == other.truth()["sprints"]


@pytest.mark.parametrize("issues", [1, 45, 500, pytest.param(3001, marks=pytest.mark.exhaustive)])
def test_any_size_is_exact(issues: int) -> None:
    world = generate(seed=3, issues=issues, now=_NOW)
    assert world.store.db.execute("SELECT count(*) FROM issues").fetchone() == (issues,)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_newest_sprints_have_as_much_work_as_the_others(seed: int) -> None:
    world = generate(seed=seed, issues=500, now=_NOW)
    boards = {str(sprint.id): sprint.board_id for sprint in world.site.sprints.values()}
    sizes = defaultdict(list)
    for sprint in sorted(world.truth()["sprints"], key=lambda sprint: int(sprint["sprint_id"])):
        sizes[boards[sprint["sprint_id"]]].append(sprint["final_issues"])
    assert len(sizes) == 3
    for finals in sizes.values():
        assert min(finals[-3:]) > 0.6 * mean(finals[:-3]), sizes


def test_titles_do_not_repeat() -> None:
    world = generate(seed=1, issues=200, now=_NOW)
    ids = [number for (number,) in world.store.db.execute("SELECT id FROM issues")]
    titles = {world.store.issue(number).fields["summary"] for number in ids}
    assert len(titles) == 200 and all(len(title.split()) > 2 for title in titles)


def test_issues_are_padded_to_the_size_asked_for() -> None:
    world = generate(seed=3, issues=300, now=_NOW, document_bytes=6000)
    (average,) = world.store.db.execute(
        "SELECT avg(length(fields) + coalesce((SELECT sum(length(document)) FROM histories WHERE issue_id = d.id), 0))"
        " FROM documents d"
    ).fetchone()
    assert 5000 < average < 7000


def test_a_story(sandbox: SandboxFactory) -> None:
    """The truth has the numbers that follow from the edits at the control door."""
    jira = sandbox(issues=60)
    control = jira.control
    one, two = (control("create_sprint", board=1, name=name)["id"] for name in ("One", "Two"))

    def issue(**details: Any) -> str:
        return str(control("create_issue", project="ATLAS", **details)["id"])

    done, stays, leaves = (issue(sprint=one, estimate=points) for points in (5, 3, 2))
    early = issue(sprint=one, estimate=8)
    control("transition", issue=early, status="Done")
    issue(sprint=one, type="Sub-task", estimate=1, parent=stays)
    control("start_sprint", sprint=one)
    control("set_sprint", issue=leaves)
    control("set_sprint", issue=leaves, sprint=one)
    control("estimate", issue=stays, value=8)
    unestimated = issue(sprint=one)
    for key in (done, unestimated):
        control("transition", issue=key, status="Done")
    control("complete_sprint", sprint=one, carry_to=two)
    control("transition", issue=done, status="In Progress")
    truth = next(s for s in jira.truth()["sprints"] if s["sprint_id"] == str(one))
    expected = {
        "committed": (10.0, 3),
        "added": (2.0, 2),
        "removed": (2.0, 1),
        "reestimated": (5.0, 1),
        "final": (15.0, 4),
        "completed": (5.0, 2),
        "completed_committed": (5.0, 1),
        "completed_outside": (8.0, 1),
        "done_then_removed": (0, 0),
        "unfinished": (10.0, 2),
        "carryover": (10.0, 2),
        "reopened_since_close": (5.0, 1),
    }
    assert {n: (truth[f"{n}_points"], truth[f"{n}_issues"]) for n in expected} == expected
    assert (truth["unestimated_issues"], truth["say_do_ratio"]) == (1, 0.5)
