"""``impulsum demo`` for a seed chosen on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from impulsum_pipelines.cli.commands.demo import differences as shown_differences
from impulsum_pipelines_tests.cli.commands.test_jobs import impulsum
from impulsum_pipelines_tests.truth import differences, velocity


@pytest.mark.long
def test_demo_shows_velocity_that_equals_the_truth(tmp_path: Path) -> None:
    done = impulsum("demo", "--seed", "11", "--issues", "90")
    assert done.returncode == 0, done.stdout + done.stderr
    published = tmp_path / "home" / "impulsum.duckdb"
    truth = json.loads((tmp_path / "home" / "demo" / "truth.json").read_text())
    sprints = truth["sprints"]
    assert truth["seed"] == 11 and len(sprints) >= 8
    assert differences(published, truth) == {}

    notes = " ".join(done.stderr.split())
    assert f"{len(sprints)} of {len(sprints)} sprints equal the truth" in notes
    assert str(published) in "".join(done.stderr.split())
    assert "Next:" in notes and 'sql "from velocity.sprint_scope_changes' in notes and "make dev" in notes

    printed, _, warned = done.stdout.partition("\ncheck ")
    assert " error " not in warned
    # A title is as wide as its table.
    sprint_table, title, story = printed.partition(" in all six tools ")
    assert title, done.stdout
    story = story.partition("\n")[2]
    *sprint_lines, key = sprint_table.rstrip().splitlines()
    lines = story.splitlines()[1:]
    kinds = [kind for kind in (line[:14].strip() for line in lines) if kind]
    # What was merged last may not be in production yet.
    parts = ["issue", "pull request", "review", "thread", "meeting", "page", "hours"]
    assert [kind for kind in kinds if kind != "in production"] == parts
    assert lines[0].split()[1] == key
    head, *lines = (line for line in sprint_lines if line.strip())
    for column in ("committed", "added", "removed", "final", "completed", "say/do"):
        assert column in head
    rows = velocity(published)
    assert len(lines) == len(rows)
    for row in rows.values():
        (line,) = (line for line in lines if line.startswith(f"{row['sprint_name']} "))
        unit = "points" if row["estimation_field_id"] else "issues"
        cells = line.removeprefix(row["sprint_name"]).split()
        assert cells[:2] == [row["state"], unit]
        measures = ("committed", "added", "removed", "reestimated", "final", "completed", "carryover")
        assert [float(cell) for cell in cells[2:9]] == [float(row[f"{measure}_{unit}"]) for measure in measures]


def test_the_demo_reports_every_difference() -> None:
    sprint = {"sprint_id": "1", "state": "closed", "final_points": 3.0, "say_do_ratio": None}
    assert shown_differences([sprint], [sprint | {"final_points": 3}]) == []
    assert shown_differences([sprint], [sprint | {"final_points": 3.001}]) == [("1", "final_points", 3.0, 3.001)]
    assert shown_differences([sprint], [sprint | {"state": "active"}]) == [("1", "state", "closed", "active")]
    assert shown_differences([sprint], [sprint | {"added_points": 0}]) == [("1", "added_points", "no such column", 0)]
    assert shown_differences([sprint], []) == [("1", "sprint_id", "1", None)]
    assert shown_differences([], [sprint]) == [("1", "sprint_id", None, "1")]
