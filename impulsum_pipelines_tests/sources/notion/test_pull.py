"""First, quiet and small pulls: complete, cheap, and within the vendor's limit."""

from __future__ import annotations

from impulsum_pipelines_tests.sources.notion.support import asked, differences, everything, later, one, sync

FIRST, QUIET = 170, 8


def test_a_first_pull_holds_everything_and_a_quiet_one_changes_nothing(workspace):
    site = workspace(seed=1, issues=500, as_is=True)
    first = sync()
    assert differences(site) == {}
    assert first.requests == asked(site) <= FIRST
    before = everything()
    later(site)
    quiet = sync()
    assert everything() == before
    assert quiet.requests == asked(site) <= QUIET
    assert {name: (c.new, c.changed, c.deleted) for name, c in quiet.rows.items()} == dict.fromkeys(
        quiet.rows, (0, 0, 0)
    )
    assert site.control("notion/stats")["refused"] == 0
    assert one("select bool_and(at_source = held and missing = at_source) from raw.census")
