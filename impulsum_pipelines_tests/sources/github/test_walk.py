"""The walk over repositories: what it costs, lists that move, and repositories that move, appear, vanish and hide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines.sources.github import client, pull_requests
from impulsum_pipelines_tests.sources.github.conftest import StartGitHub


def test_a_first_sync_stores_everything_and_a_second_changes_nothing(github: StartGitHub) -> None:
    hub = github(seed=1, every=True)
    first = hub.sync()
    assert hub.differences() == {}
    assert first.rows["pull_requests"].new == len(hub.alive("pull_requests")) > 5
    before = hub.everything()
    hub.requests()
    second = hub.sync()
    assert hub.everything() == before
    assert {name: (c.new, c.changed, c.deleted) for name, c in second.rows.items()} == dict.fromkeys(
        second.rows, (0, 0, 0)
    )
    assert second.requests == hub.requests() <= 24
    used = hub.do("stats")["used"]
    assert hub.sync().requests <= 21
    assert hub.do("stats")["used"] - used <= 6, "an answer 304 costs nothing of the hour"


def test_what_syncs_cost(github: StartGitHub) -> None:
    """Per pull request three requests, per deployment one, per repository a dozen; then only what changed."""
    hub = github(seed=1, every=True)
    hub.sync()
    counted = {table: len(hub.alive(table)) for table in ("pull_requests", "deployments")}
    assert hub.requests() <= 3 * counted["pull_requests"] + counted["deployments"] + 3 * 12
    hub.later()
    one = hub.do("open_pull_request")["number"]
    hub.do("review", number=one, line="why?")
    hub.do("comment", number=one)
    other = hub.do("open_pull_request", repository="mobile")["number"]
    hub.do("merge", repository="mobile", number=other)
    hub.do("push")
    hub.do("create_issue")
    hub.do("run_workflow")
    hub.do("release")
    hub.do("deploy", state="success")
    hub.requests()
    hub.sync()
    assert hub.requests() <= 40
    assert hub.differences() == {}
    assert hub.refused == 0


def test_a_deletion_under_a_census_hides_no_row(github: StartGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows after it move up, and one of them over the edge of the page that was just read."""
    hub = github(seed=2)
    issue = hub.do("create_issue")["number"]
    add: dict[str, Callable[[], Any]] = {
        "issue_comments": lambda: hub.do("comment", number=issue),
        "releases": lambda: hub.do("release"),
        "deployments": lambda: hub.do("deploy"),
    }
    delete: dict[str, Callable[[int], Any]] = {
        "issue_comments": lambda i: hub.do("delete_comment", comment=i),
        "releases": lambda i: hub.do("delete_release", release=i),
        "deployments": lambda i: hub.do("delete_deployment", deployment=i),
    }
    monkeypatch.setattr(client, "PAGE", 3)
    truth = hub.do("truth")
    for table, add_one in add.items():
        for _ in range(6 + (2 - len(truth[table])) % 3):  # two on the last page: with one less there are as many pages
            add_one()
    hub.later()
    hub.sync()
    original = client.GitHubListing._documents
    deleted: dict[str, int] = {}

    def delete_one(self: Any, answer: Any, paging: Any) -> Any:
        found = original(self, answer, paging)
        for table in delete.keys() - deleted:
            if self._endpoint.endswith(f"/{table.replace('_', 's/')}"):
                deleted[table] = found[0]["id"]
                delete[table](deleted[table])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(client.GitHubListing, "_documents", delete_one)
        hub.sync(census=True)
    truth = hub.do("truth")
    for table in add:
        assert str(deleted[table]) not in truth[table].keys() <= hub.alive(table)
    hub.later()
    hub.sync(census=True)
    assert hub.differences() == {}


def test_a_list_that_moves_while_it_is_walked_loses_nothing(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=2)
    hub.sync()
    hub.later()
    every = [p for p in hub.do("pull_requests")["pull_requests"] if p["repository"] == "platform"]
    for pull in every:
        hub.do("edit_title", number=pull["number"], title="renamed")
    monkeypatch.setattr(client, "PAGE", 3)
    original = pull_requests.PullRequestReader._detail
    moved: list[int] = []

    def edit_during_the_walk(self: Any, number: int) -> Any:
        if len(moved) < 5:
            moved.append(every[len(moved)]["number"])
            hub.do("edit_title", number=moved[-1], title="renamed during the walk")
        return original(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(pull_requests.PullRequestReader, "_detail", edit_during_the_walk)
        hub.sync()
    assert hub.one("select count(*) - count(distinct id) from raw.pull_requests") == 0
    hub.later(60)
    hub.sync()
    assert hub.differences() == {}


def test_many_changes_of_one_second_across_pages(github: StartGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 4)
    hub = github(seed=3)
    hub.sync()
    hub.later()
    hub.site.control("clock", freeze=True)
    for number in range(15):
        hub.do("create_issue", title=f"tie {number}")
    hub.sync()
    hub.do("create_issue", title="the last of that second")
    hub.sync()
    assert hub.differences() == {}


def test_two_pushes_in_one_second_with_a_pull_between_them(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=3)
    monkeypatch.setenv("GITHUB_REPOSITORIES", "harbour")
    hub.sync()
    hub.later()
    hub.site.control("clock", freeze=True)
    hub.do("create_repository", name="empty")
    hub.do("push", repository="platform")
    hub.sync()
    hub.do("push", repository="empty")
    hub.do("push", repository="platform")
    hub.sync()
    assert hub.differences() == {}


def test_a_renamed_repository_keeps_its_rows_and_its_old_name_may_be_taken(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=4)
    hub.sync()
    (repository,) = hub.held("select id from raw.repositories where name = 'platform'")[0]
    hub.later()
    hub.do("rename_repository", repository="platform", name="foundation", owner="harbour-two")
    number = hub.do("open_pull_request", repository="foundation")["number"]
    hub.sync()
    assert hub.differences() == {}
    assert hub.held("select id, full_name from raw.repositories where name = 'foundation'") == [
        (repository, "harbour-two/foundation")
    ]
    assert hub.one("select repository_id from raw.pull_requests where number = ? and title = 'A change'", number)
    hub.do("create_repository", name="platform")
    hub.do("push", repository="harbour/platform")
    hub.later()
    monkeypatch.setenv("GITHUB_REPOSITORIES", "harbour-two/foundation,harbour/platform,harbour")
    hub.sync()
    assert hub.differences() == {}


def test_a_hidden_repository_is_unreachable_and_comes_back_completely(github: StartGitHub) -> None:
    hub = github(seed=5, projects=2, every=True)
    hub.sync()
    total = len(hub.alive("pull_requests"))
    hub.do("hide_repository", repository="mobile")
    hub.later()
    hub.sync()
    assert hub.differences() == {}
    lost = hub.one("select count(*) from raw.pull_requests where unreachable_since is not null and deleted_at is null")
    assert 0 < lost == total - len(hub.alive("pull_requests"))
    assert hub.one("select count(*) from raw.workflow_runs where deleted_at is not null") == 0
    hub.do("open_pull_request", repository="mobile")
    hub.later(86_400)
    hub.do("hide_repository", repository="mobile", hidden=False)
    hub.sync()
    assert hub.differences() == {}


def test_a_repository_that_is_named_later_is_read_from_its_beginning(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=6, projects=2, every=True)
    every = hub.site.env["GITHUB_REPOSITORIES"]
    monkeypatch.setenv("GITHUB_REPOSITORIES", "harbour/platform")
    hub.sync()
    hub.later(86_400)
    hub.sync()
    monkeypatch.setenv("GITHUB_REPOSITORIES", every)
    hub.sync()
    assert hub.differences() == {}


def test_an_owner_stands_for_all_of_its_repositories_and_new_ones(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=7, every=True)
    monkeypatch.setenv("GITHUB_REPOSITORIES", "harbour, harbour/platform")
    hub.sync()
    hub.later()
    hub.do("create_repository", name="empty")
    hub.do("create_repository", name="copy", fork_of="platform")
    hub.do("archive_repository", repository="operations")
    hub.sync()
    assert hub.differences() == {}
    shared = "select count(*) from (select sha from raw.commits group by sha having count(distinct repository_id) = 2)"
    assert hub.one(shared) >= 3, "a fork has the same commits, in its own rows"
    hub.do("push", repository="empty")
    hub.later()
    hub.sync()
    assert hub.differences() == {}


def test_a_repository_that_was_named_but_never_seen_is_a_permission_error(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=8)
    monkeypatch.setenv("GITHUB_REPOSITORIES", "harbour/nothing,harbour/platform")
    with pytest.raises(ImpulsumError, match=r"harbour/nothing of GITHUB_REPOSITORIES cannot be seen") as failure:
        hub.sync()
    assert failure.value.category is Category.PERMISSION


def test_a_sync_of_some_tables_hides_nothing_from_the_next_sync(github: StartGitHub) -> None:
    hub = github(seed=9)
    hub.sync(tables=["pull_requests"])
    assert hub.alive("reviews") == set()
    hub.sync()
    assert hub.differences() == {}
    hub.later()
    number = hub.do("open_pull_request")["number"]
    hub.do("review", number=number, line="hm")
    hub.sync(tables=["pull_requests"])
    hub.sync()
    assert hub.differences() == {}


def test_a_window_reads_its_days_and_leaves_the_watermark_alone(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = github(seed=10, issues=20)
    end = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
    start = end - timedelta(days=7)
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "window"))
    result = hub.sync(window=Window(start, end))
    assert result.watermark_to is None
    truth = hub.do("truth")
    for table in ("pull_requests", "issues", "issue_comments", "review_comments", "workflow_runs"):
        expected = {
            row_id for row_id, row in truth[table].items() if start <= datetime.fromisoformat(row["updated_at"]) < end
        }
        assert hub.alive(table) == expected, table
    assert hub.alive("pull_requests")
    full = hub.sync()
    assert full.watermark_from is None
    assert hub.differences() == {}


def test_nothing_from_before_the_first_day_is_read(github: StartGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = github(seed=11, issues=20)
    first_day = "2026-10-01"
    monkeypatch.setenv("IMPULSUM_START_DATE", first_day)
    hub.sync()
    truth = hub.do("truth")
    for table in ("pull_requests", "issues", "issue_comments"):
        expected = {i for i, row in truth[table].items() if row["updated_at"] >= first_day}
        assert hub.alive(table) == expected != set(truth[table]), table
    census = hub.sync(census=True)
    assert hub.one("select bool_and(at_source = held) from raw.census where sync_id = ?", census.sync_id)
