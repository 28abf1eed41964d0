"""A pull stores what the workspace has, and a second one costs next to nothing."""

from __future__ import annotations

from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.slack.conftest import NOW
from impulsum_pipelines_tests.sources.slack.support import asked, everything, later, one, sync, wrong


def test_a_first_pull_stores_everything_within_slacks_limits(sandbox: SandboxFactory) -> None:
    """At the published limits, both sides: nothing is refused, and it takes seconds."""
    site = sandbox(seed=1, issues=500, now=NOW)
    first = sync()
    assert wrong(site) == {}
    assert first.limit_waits == 0
    assert site.control("slack/refusals") == {}
    assert first.requests == sum(asked(site).values()) <= 45
    before = everything()
    later(site, 900)
    second = sync()
    assert everything() == before
    assert all((c.new, c.changed, c.deleted, c.unreachable) == (0, 0, 0, 0) for c in second.rows.values())
    assert asked(site) == {"auth.test": 1, "conversations.list": 1, "conversations.history": 9}
    assert second.requests == 11
    assert second.watermark_to is not None
    assert site.control("slack/refusals") == {}


def test_every_featured_ticket_has_a_thread(workspace: Start) -> None:
    site = workspace(seed=2, issues=200)
    sync()
    from impulsum_pipelines.sandbox.team import Team

    for ticket in Team(site.world).featured:
        roots = "select count(*) from raw.messages where reply_count >= 4 and text like ?"
        assert one(roots, f"%{ticket.key} %") >= 1, ticket.key
