"""The first pull and a quiet one, and how many requests each takes."""

from __future__ import annotations

from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.tempo.support import NOW, asked, door, later, one, sync, wrong


def test_the_first_pull_stores_everything(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    result = sync()
    assert wrong(site) == {}
    assert len(door(site)("truth")["worklogs"]) > 20
    assert result.rows["worklogs"].new == one("select count(*) from raw.worklogs")
    assert asked(site) == {
        "GET /teams": 1,
        "GET /worklogs": 1,
        "GET /plans": 1,
        "GET /accounts": 1,
        "POST /team-memberships/search": 1,
        "GET /workload-schemes": 1,
        "POST /workload-schemes/members/search": 1,
    }
    assert door(site)("limits") == {"refused": 0}


def test_a_quiet_pull_takes_three_requests_and_writes_nothing(pulled: Start) -> None:
    site = pulled()
    asked(site)
    later(site)
    result = sync()
    assert asked(site) == {"POST /papertrail/search": 1, "GET /worklogs": 1, "GET /plans": 1}
    assert sum(counts.new + counts.changed + counts.deleted for counts in result.rows.values()) == 0
    assert wrong(site) == {}


def test_consecutive_pulls_stay_within_the_limit(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    door(site)("shrink_page", limit=4)
    sync()
    sync()
    assert sum(site.requests().values()) > 15
    assert door(site)("limits") == {"refused": 0}
