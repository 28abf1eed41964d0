"""Where GitHub's answers mislead: commits, comments, issues, deployments, runs."""

from __future__ import annotations

import pytest

from impulsum_pipelines.sources.github import client, deployments
from impulsum_pipelines_tests.sources.github.conftest import GitHub, StartGitHub


def census_agrees(hub: GitHub, sync_id: str) -> bool:
    return bool(hub.one("select bool_and(at_source = held) from raw.census where sync_id = ?", sync_id))


def shorter_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty documents on a page, so that few runs are more than one page has."""
    for module in (client, deployments):
        monkeypatch.setattr(module, "PAGE", 20)


def test_commits_of_any_date_arrive_and_move_no_cursor(github: StartGitHub) -> None:
    """Dates come from the committers' machines: pushed late, or by a clock that is ahead."""
    hub = github(seed=21)
    hub.sync()
    hub.later()
    late = hub.do("push", dated="2026-03-01T00:00:00+00:00")["sha"]
    future = hub.do("push", dated="2031-01-01T00:00:00+00:00")["sha"]
    hub.sync()
    stored = {sha for (sha,) in hub.held("select sha from raw.commits where deleted_at is null")}
    assert {late, future} <= stored
    hub.later()
    hub.do("push", dated="2026-10-01T00:00:00+00:00")
    hub.sync()
    assert hub.differences() == {}


def test_a_forced_push_takes_commits_away_and_only_those(github: StartGitHub) -> None:
    hub = github(seed=22)
    number = hub.do("open_pull_request")["number"]
    hub.do("merge", number=number, method="merge")
    hub.do("push", count=3)
    hub.sync()
    before = len(hub.alive("commits"))
    hub.later()
    dropped = hub.do("force_push", drop=4)["dropped"]
    hub.sync()
    assert hub.differences() == {}
    gone = {sha for (sha,) in hub.held("select sha from raw.commits where deleted_at is not null")}
    assert gone <= set(dropped), "the merge goes, the commits of its pull request stay"
    assert len(hub.alive("commits")) == before - len(gone) + 1


def test_a_forced_push_whose_old_tip_github_no_longer_has_is_found_by_reading_all(github: StartGitHub) -> None:
    hub = github(seed=23)
    hub.do("push", count=3)
    hub.sync()
    hub.later()
    hub.do("force_push", drop=2)
    hub.do("forget_commits")
    hub.sync()
    assert hub.differences() == {}
    assert hub.one("select count(*) from raw.commits where deleted_at is not null") == 2


def test_a_forced_push_to_a_pull_request(github: StartGitHub) -> None:
    hub = github(seed=24)
    number = hub.do("open_pull_request", commits=3)["number"]
    hub.sync()
    hub.later()
    hub.do("force_push", pull=number)
    hub.sync()
    assert hub.differences() == {}
    assert hub.one("select count(*) from raw.commits where deleted_at is not null") == 3
    assert hub.one("select commit_total from raw.pull_requests where number = ? and title = 'A change'", number) == 1


def test_who_merged_with_what_and_which_commits(github: StartGitHub) -> None:
    hub = github(seed=25)
    methods = {hub.do("open_pull_request", commits=2)["number"]: method for method in ("squash", "merge", "rebase")}
    hub.sync()
    hub.later()
    merged = {number: hub.do("merge", number=number, method=method)["sha"] for number, method in methods.items()}
    hub.sync()
    assert hub.differences() == {}
    found = hub.held(
        "select number, merge_commit_sha, json_array_length(commit_shas), merged_by <> '' and additions > 0, "
        "(select count(*) from raw.commits where sha = merge_commit_sha) "
        "from raw.pull_requests where title = 'A change' order by number"
    )
    # The list of pull requests has no numbers, the next version no merge commit.
    assert found == [(number, sha, 2, True, 1) for number, sha in merged.items()]


def test_a_pull_request_with_more_commits_than_are_listed_has_them_all(github: StartGitHub) -> None:
    hub = github(seed=26)
    number = hub.do("open_pull_request", commits=260)["number"]
    hub.sync()
    [(total, stored)] = hub.held(
        "select commit_total, json_array_length(commit_shas) from raw.pull_requests where number = ? "
        "and title = 'A change'",
        number,
    )
    assert (total, stored) == (260, 260)
    assert hub.differences() == {}


def test_edits_of_comments_are_seen_and_deletions_by_the_census(github: StartGitHub) -> None:
    hub = github(seed=27)
    number = hub.do("open_pull_request")["number"]
    comments = [hub.do("comment", number=number, text=text)["id"] for text in ("one", "two")]
    line = hub.do("review", number=number, line="this line")["comment"]
    hub.sync()
    hub.later(86_400)
    hub.do("edit_comment", comment=comments[0], text="one, edited")
    hub.do("edit_comment", comment=line, text="that line")
    hub.sync()
    assert hub.differences() == {}
    hub.later()
    hub.do("delete_comment", comment=comments[1])
    hub.do("delete_comment", comment=line)
    hub.sync()
    assert {i for (i,) in hub.held("select id from raw.issue_comments where deleted_at is not null")} == set()
    census = hub.sync(census=True)
    assert hub.differences() == {}
    assert census.rows["issue_comments"].deleted == census.rows["review_comments"].deleted == 1
    assert census_agrees(hub, census.sync_id)
    [(conversation, lines)] = hub.held(
        "select comment_total, review_comment_total from raw.pull_requests where number = ? and title = 'A change'",
        number,
    )
    assert (conversation, lines) == (1, 0), "the numbers of a pull request that lost comments are read again"


def test_issues_have_no_pull_requests_and_may_be_transferred_or_deleted(github: StartGitHub) -> None:
    hub = github(seed=28, every=True)
    moved = hub.do("create_issue", title="moves")
    deleted = hub.do("create_issue", title="goes")
    hub.do("comment", number=moved["number"], text="moves, too")
    hub.sync()
    assert hub.one("select count(*) from raw.issues where json_exists(payload, '$.pull_request')") == 0
    assert hub.alive("issues").isdisjoint(hub.alive("pull_requests"))
    hub.later()
    arrived = hub.do("transfer_issue", number=moved["number"], to="mobile")
    hub.do("delete_issue", number=deleted["number"])
    hub.sync()
    assert str(arrived["id"]) in hub.alive("issues")
    census = hub.sync(census=True)
    assert hub.differences() == {}
    assert census.rows["issues"].deleted == 2
    assert census_agrees(hub, census.sync_id)


def test_issues_that_are_turned_off_hide_no_pull_request(github: StartGitHub) -> None:
    hub = github(seed=29)
    hub.sync()
    hub.do("disable_issues", repository="platform")
    hub.later()
    number = hub.do("open_pull_request")["number"]
    hub.sync()
    assert hub.differences() == {}
    hub.later()
    hub.do("comment", number=number)
    hub.do("disable_issues", repository="platform", disabled=False)
    hub.sync()
    assert hub.differences() == {}


def test_reviews_are_dismissed(github: StartGitHub) -> None:
    hub = github(seed=30)
    number = hub.do("open_pull_request")["number"]
    review = hub.do("review", number=number)["id"]
    hub.sync()
    hub.later()
    hub.do("dismiss_review", review=review)
    hub.sync()
    assert hub.one("select state from raw.reviews where id = ?", str(review)) == "DISMISSED"
    assert hub.differences() == {}


def test_a_deployment_changes_after_it_was_first_read(github: StartGitHub) -> None:
    """Its statuses change and it does not; a newer deployment ends it."""
    hub = github(seed=31)
    first = hub.do("deploy", environment="production", state="in_progress")["id"]
    hub.sync()
    hub.later()
    hub.do("deployment_status", deployment=first, state="success")
    hub.sync()
    assert hub.differences() == {}
    hub.later(86_400)
    second = hub.do("deploy", environment="production", state="in_progress")["id"]
    hub.sync()
    hub.later(60)
    hub.do("deployment_status", deployment=second, state="success")
    hub.sync()
    assert hub.differences() == {}
    newest = "select arg_max(state, id::bigint) from raw.deployment_statuses where deployment_id = ?"
    assert hub.one(newest, str(first)) == "inactive"
    hub.do("delete_deployment", deployment=first)
    hub.sync(census=True)
    assert hub.differences() == {}


def test_a_deployment_that_is_replaced_after_one_that_failed_gets_its_end(github: StartGitHub) -> None:
    hub = github()
    first = hub.do("deploy", environment="review", state="success")["id"]
    hub.later()
    hub.do("deploy", environment="review", state="failure")
    hub.sync()
    hub.later(3 * 86_400)
    hub.do("deploy", environment="review", state="success")
    hub.later()
    hub.sync()
    assert hub.one(
        "select arg_max(state, id::int) from raw.deployment_statuses where deployment_id = ?", str(first)
    ) == ("inactive")
    assert hub.differences() == {}


def test_a_deployment_that_nobody_ends_is_not_asked_about_forever(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=32)
    stuck = hub.do("deploy", environment="preview")["id"]
    hub.sync()
    hub.later(40 * 86_400)
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    hub.sync()
    hub.site.requests(reset=True)
    hub.sync()
    asked = [path for path in hub.site.requests() if "/statuses" in path]
    assert not [path for path in asked if str(stuck) in path]
    assert len(asked) <= 3 * 2, "only the one that runs in each environment, once an hour"


def test_runs_end_and_are_run_again(github: StartGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    shorter_pages(monkeypatch)
    hub = github(seed=33)
    going = hub.do("run_workflow", conclusion=None)["id"]
    hub.do("run_workflow", count=25)
    hub.sync()
    hub.later()
    hub.do("finish_run", run=going)  # no longer on a first page
    hub.sync()
    assert hub.differences() == {}
    hub.later(7 * 86_400)
    hub.do("rerun", run=going, conclusion="failure")
    hub.do("delete_run", run=going + 1)
    census = hub.sync(census=True)
    assert hub.differences() == {}
    assert (census.rows["workflow_runs"].changed, census.rows["workflow_runs"].deleted) == (1, 1)


def test_a_re_run_of_an_old_run_is_found_within_the_hour(github: StartGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    shorter_pages(monkeypatch)
    hub = github(seed=34)
    old = hub.do("run_workflow", conclusion="failure")["id"]
    hub.do("run_workflow", count=25)
    hub.sync()
    hub.later(86_400)
    hub.do("rerun", run=old)
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    hub.sync()
    assert hub.differences() == {}


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(True, id="cap as documented", marks=pytest.mark.exhaustive),
        pytest.param(False, id="lower cap"),
    ],
)
def test_a_filtered_list_of_runs_that_is_cut_off_is_read_in_halves(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if known:
        monkeypatch.setattr(deployments, "RUN_CAP", 10)
    hub = github(seed=35)
    hub.do("limits", run_cap=10)
    hub.do("run_workflow", count=20)
    # More than 10 runs within one second cannot be listed: let them be of different days.
    for day in range(4):
        hub.later(86_400)
        hub.do("run_workflow", count=5 + day)
    with pytest.raises(Exception, match="within one second"):
        hub.sync()
    hub.do("limits", run_cap=23)
    hub.sync()
    assert hub.differences() == {}
