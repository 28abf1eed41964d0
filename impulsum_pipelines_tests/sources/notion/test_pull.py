"""First, quiet and small pulls: complete, cheap, and within the vendor's limit."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sandbox.team import Team
from impulsum_pipelines_tests.sources.notion.support import asked, differences, everything, later, one, sync
from impulsum_pipelines_tests.sources.sites import Start

FIRST, QUIET = 170, 8


def test_a_quiet_pull_that_reads_the_reference_tables_again_is_cheap_too(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = workspace(seed=2)
    sync()
    later(site)
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    site.control("notion/add_user", name="Robin Late", email="robin.late@example.com")
    asked(site)
    quiet = sync()
    assert quiet.requests == asked(site) <= QUIET
    assert quiet.rows["users"].new == 1
    assert differences(site) == {}


def test_every_featured_ticket_has_a_page_that_names_it(workspace: Start) -> None:
    site = workspace(seed=3, issues=200)
    sync()
    for ticket in Team(site.world).featured:
        pages = "select count(*) from raw.pages where title like ? and (properties->>'$.Ticket') = ?"
        assert one(pages, f"{ticket.key}:%", ticket.key) == 1


def test_the_same_seed_makes_the_same_workspace(workspace: Start) -> None:
    first, second = (workspace(seed=4).control("notion/truth") for _ in range(2))
    assert first == second
    assert first != workspace(seed=5).control("notion/truth")


def test_a_first_pull_stores_everything_and_a_quiet_one_changes_nothing(workspace: Start) -> None:
    site = workspace(seed=1, issues=500, small=False, limited=True)
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
