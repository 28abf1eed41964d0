"""The walk over repositories: everything is held, a second sync changes nothing and costs little."""

from __future__ import annotations


def test_a_first_sync_holds_everything_and_a_second_changes_nothing(github):
    hub = github(issues=60, seed=1)
    first = hub.sync()
    assert hub.differences() == {}
    assert first.rows["pull_requests"].new == len(hub.alive("pull_requests")) > 20
    before = hub.everything()
    hub.requests()
    second = hub.sync()
    assert hub.everything() == before
    assert {name: (c.new, c.changed, c.deleted) for name, c in second.rows.items()} == dict.fromkeys(
        second.rows, (0, 0, 0)
    )
    assert second.requests == hub.requests() <= 25
