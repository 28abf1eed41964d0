"""What a pull stores, and what it costs."""

from __future__ import annotations

from impulsum_pipelines_tests.sources.fireflies.conftest import StartFireflies


def test_a_first_pull_stores_the_truth_and_a_second_changes_nothing(fireflies: StartFireflies) -> None:
    site = fireflies()
    first = site.sync()
    assert site.differences() == {}
    before = site.pulls.everything()
    second = site.sync()
    assert site.pulls.everything() == before
    assert {name: (c.new, c.changed, c.deleted) for name, c in second.rows.items()} == dict.fromkeys(
        second.rows, (0, 0, 0)
    )
    assert first.requests <= 25
    assert second.requests == 2
