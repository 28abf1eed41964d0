"""What the network, the limits and the token can do to a pull, and the errors that people see."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.github import client, refusals
from impulsum_pipelines.sources.github.probe import probe
from impulsum_pipelines_tests.sources.github.conftest import NOW, GitHub, StartGitHub

SECONDARY = '{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}'
NO_LIMIT = {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0"}
PRIMARY = '{"message": "API rate limit exceeded for user ID 1."}'


def primary(seconds: int) -> dict[str, str]:
    """Headers of a refusal whose hour ends in so many seconds, by the sandbox's clock."""
    reset = int(datetime.fromisoformat(NOW).timestamp()) + seconds
    return {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        pytest.param({"kind": "status", "status": 403, "retry_after": 1, "body": SECONDARY}, 1, id="403 secondary"),
        pytest.param(
            {"kind": "status", "status": 429, "retry_after": 1, "body": SECONDARY},
            1,
            id="429 secondary",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            {"kind": "status", "status": 403, "body": SECONDARY},
            0.01,
            id="403 secondary, not how long",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            {"kind": "status", "status": 429, "body": "{}"},
            0.01,
            id="429 without a reason",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param({"kind": "status", "status": 403, "body": PRIMARY, "headers": primary(0)}, 1, id="403 primary"),
        pytest.param(
            {"kind": "status", "status": 429, "body": PRIMARY, "headers": primary(0)},
            1,
            id="429 primary",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param({"kind": "status", "status": 502}, None, id="502", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "reset"}, None, id="connection reset", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "truncate"}, None, id="page cut short"),
    ],
)
def test_a_fault_that_passes_by_itself_does_not_fail_the_pull(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], waits: float | None
) -> None:
    monkeypatch.setattr(refusals, "DEFAULT_WAIT", 0.01)
    hub = github(seed=41)
    hub.site.control("clock", freeze=True)
    hub.fault("/platform/pulls", **fault)
    result = hub.sync()
    assert hub.differences() == {}
    assert result.limit_waits == (0 if waits is None else 1)
    assert result.limit_wait_seconds == pytest.approx(waits or 0, abs=0.001)


def test_the_wait_is_a_minute_where_github_gives_none(github: StartGitHub) -> None:
    assert refusals.DEFAULT_WAIT >= 60


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(primary(1800), id="reset"),
        pytest.param({"Retry-After": "1800"}, id="Retry-After", marks=pytest.mark.exhaustive),
    ],
)
def test_a_long_limit_is_not_waited_for_but_raised(github: StartGitHub, headers: dict[str, str]) -> None:
    hub = github(seed=42)
    hub.site.control("clock", freeze=True)
    hub.fault("/platform/issues", kind="status", status=403, body=PRIMARY, headers=headers)
    with pytest.raises(ImpulsumError, match="asked again after 1800 s") as failure:
        hub.sync()
    assert (failure.value.category, failure.value.retry_after) == (Category.RATE_LIMIT, 1800)
    hub.sync()
    assert hub.differences() == {}


def test_a_first_pull_stops_before_the_hour_is_used_up_and_the_next_one_continues(github: StartGitHub) -> None:
    """Nothing is refused, what was read is kept, and the pull requests that were read are not asked for again."""
    hub = github(seed=43, issues=24)
    hub.do("limits", primary=55)
    with pytest.raises(ImpulsumError, match="is used up until") as failure:
        hub.sync()
    assert failure.value.category is Category.RATE_LIMIT
    assert hub.refused == 0
    assert hub.one("select status from raw.syncs") == "incomplete"
    first = len(hub.alive("pull_requests"))
    assert first > 5
    hub.do("limits", primary=5000, reset=True)
    [until] = Path(load_settings().home).glob("limits/*.until")
    until.unlink()  # an hour later
    hub.requests()
    hub.later()
    hub.sync()
    assert hub.differences() == {}
    details = sum(n for path, n in hub.site.requests().items() if path.endswith("/reviews"))
    assert 0 < details <= len(hub.alive("pull_requests")) - first + 5


def test_a_stream_that_stays_down_keeps_what_was_found_and_reads_the_rest_later(github: StartGitHub) -> None:
    hub = github(seed=44, every=True)
    hub.fault("/mobile/issues/comments", kind="status", status=502, count=http.ATTEMPTS)
    with pytest.raises(ImpulsumError, match="answered 502") as failure:
        hub.sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert "What was found is loaded" in failure.value.safe
    platform, operations = hub.held("select distinct repository_id from raw.pull_requests order by 1")
    assert platform != operations, "the other repositories were read"
    assert hub.one("select watermark_to from raw.syncs") is None
    hub.later()
    hub.sync()
    assert hub.differences() == {}


@pytest.mark.parametrize(
    ("status", "path", "what"),
    [
        pytest.param(403, "/platform/actions/runs", "may not do this", id="a permission"),
        pytest.param(
            451, "/platform/issues", "is blocked for legal reasons", id="blocked", marks=pytest.mark.exhaustive
        ),
        pytest.param(
            404, "/platform/releases", "Not found", id="deleted during the pull", marks=pytest.mark.exhaustive
        ),
    ],
)
def test_a_refusal_in_one_repository_keeps_the_others_read(
    github: StartGitHub, status: int, path: str, what: str
) -> None:
    """Its error comes at the end, and names the repository and what to do."""
    hub = github(seed=52, every=True)
    needed = {"X-Accepted-GitHub-Permissions": "actions=read"}
    hub.fault(path, kind="status", status=status, body='{"message": "no"}', headers=needed)
    error = _failure(hub)
    assert error.category is Category.PERMISSION
    assert what in error.what
    assert "harbour/platform" in error.where
    assert "actions=read" in error.next_step or status != 403
    assert hub.one("select status from raw.syncs") == "incomplete"
    assert hub.one("select json_extract_string(streams, '$.workflow_runs.ended') from raw.syncs").startswith("early: ")
    refused = hub.one("select id from raw.repositories where name = 'platform'")
    for table, rows in hub.do("truth").items():
        others = {row_id for row_id, row in rows.items() if row.get("repository_id", refused) != refused}
        assert others <= hub.alive(table)
    hub.later()
    hub.sync()
    assert hub.differences() == {}


def test_a_refusal_says_what_was_refused(github: StartGitHub) -> None:
    hub = github(seed=52)
    asking = client.GitHubClient(load_settings())
    for status, what in ((403, "may not do this"), (451, "is blocked for legal reasons"), (404, "Not found")):
        hub.fault("/platform/releases", kind="status", status=status, body='{"message": "no"}')
        with pytest.raises(ImpulsumError, match=what) as failure:
            asking.get_all("/repos/harbour/platform/releases", "/repos/{owner}/{repo}/releases")
        assert failure.value.category is Category.PERMISSION
    asking.api.close()


def test_a_name_that_is_refused_keeps_the_others_read_and_hides_nothing(github: StartGitHub) -> None:
    """For example one of two organizations wants the token authorized for single sign-on."""
    hub = github(seed=53, every=True)
    hub.sync()
    hub.later()
    hub.do("create_issue", repository="mobile")
    headers = {"X-GitHub-SSO": "required; url=https://example.com/sso"}
    hub.fault("/harbour/platform", kind="status", status=403, body='{"message": "SAML"}', headers=headers)
    error = _failure(hub)
    assert error.category is Category.PERMISSION
    assert "harbour/platform" in error.where
    assert "single sign-on" in error.next_step
    assert hub.differences() == {}, "the other was read, and nothing of this one became unreachable"
    assert hub.sync().watermark_to is not None
    assert hub.differences() == {}


def test_a_server_that_counts_no_requests_is_not_waited_for(github: StartGitHub) -> None:
    """GitHub Enterprise with its limits off says that none of none are left."""
    hub = github(seed=55)
    hub.do("limits", primary=0)
    hub.sync()
    assert hub.differences() == {}
    hub.fault("/platform/actions/runs", kind="status", status=403, body='{"message": "no"}', headers=NO_LIMIT)
    assert _failure(hub).category is Category.PERMISSION


def test_a_source_that_stays_down_loses_nothing_stored(github: StartGitHub) -> None:
    hub = github(seed=45)
    hub.sync()
    before = hub.everything()
    hub.fault("/github/", kind="status", status=503, count=http.ATTEMPTS)
    with pytest.raises(ImpulsumError, match="answered 503"):
        hub.sync()
    assert hub.everything() == before
    assert hub.sync().watermark_to is not None


def test_a_list_that_only_looks_complete_is_an_error(github: StartGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 5)
    hub = github(seed=46)
    number = hub.do("create_issue")["number"]
    for _ in range(11):  # three pages
        hub.do("comment", number=number)
    for kind, message in (("repeat_token", "a page repeats"), ("end_early", r"ended after 2 of \d+ pages")):
        hub.fault("/platform/issues/comments", kind=kind, after=1)
        with pytest.raises(ImpulsumError, match=message):
            hub.sync()
        assert set(hub.held("select watermark_to from raw.syncs")) == {(None,)}
    hub.sync()
    assert hub.differences() == {}


def test_wrong_token_revoked_token_and_missing_permissions_give_different_errors(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=47)
    token = hub.site.env["GITHUB_TOKEN"]
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_mistyped")
    found = {"wrong": _failure(hub)}
    monkeypatch.setenv("GITHUB_TOKEN", token)
    hub.sync()
    hub.do("revoke_token")
    found["revoked"] = _failure(hub)
    hub.do("revoke_token", revoked=False)
    hub.do("deny", permission="actions")
    found["denied"] = _failure(hub)
    hub.do("deny", permission="actions", denied=False)
    hub.do("require_sso")
    found["sso"] = _failure(hub)
    assert [error.category for error in found.values()] == [
        Category.AUTHENTICATION, Category.AUTHENTICATION, Category.PERMISSION, Category.PERMISSION,
    ]  # fmt: skip
    assert "Bad credentials" in found["wrong"].what
    assert "worked until" in found["revoked"].what
    assert "actions=read" in found["denied"].next_step
    assert "actions/runs" in found["denied"].where
    assert "single sign-on" in found["sso"].next_step
    assert len({error.next_step for error in found.values()}) == 4
    assert not any(error.retryable for error in found.values())
    assert not any(secret in str(error) for error in found.values() for secret in ("ghp_mistyped", token))


def _failure(hub: GitHub) -> ImpulsumError:
    with pytest.raises(ImpulsumError) as failure:
        hub.sync()
    return failure.value


def test_no_secret_reaches_a_table_or_a_log(github: StartGitHub, caplog: pytest.LogCaptureFixture) -> None:
    hub = github(seed=48)
    caplog.set_level("DEBUG")
    hub.fault("/platform/releases", kind="status", status=500)
    hub.sync()
    token = hub.site.env["GITHUB_TOKEN"]
    assert token not in caplog.text
    assert hub.pulls.tables_with("harbour/platform") >= {"repositories", "pull_requests"}
    assert hub.pulls.tables_with(token) == set()


def test_the_clone_token_of_an_answer_is_not_kept(github: StartGitHub) -> None:
    """GitHub puts another one into each answer about a private repository."""
    hub = github(seed=54)
    hub.sync()
    hub.later()
    again = hub.sync(census=True)
    assert {name: c.changed for name, c in again.rows.items()} == dict.fromkeys(again.rows, 0)
    assert hub.pulls.tables_with("temp_clone_token") == set()


def test_a_document_that_does_not_fit_is_quarantined_and_the_others_are_loaded(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = github(seed=49)
    original = client.GitHubListing._documents

    def with_a_bad_one(self: Any, answer: Any, paging: Any) -> Any:
        found = original(self, answer, paging)
        return [{"name": "no id"}, *found] if self._endpoint.endswith("/releases") else found

    monkeypatch.setattr(client.GitHubListing, "_documents", with_a_bad_one)
    hub.sync()
    assert hub.differences() == {}
    assert {stream for (stream,) in hub.held("select stream from raw.quarantine")} == {"releases"}


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GITHUB_REPOSITORIES"])
def test_a_source_without_its_settings_is_off_and_says_what_to_set(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hub = github(seed=50)
    monkeypatch.delenv(name)
    with pytest.raises(ImpulsumError, match=f"{name} is not set"):
        hub.sync()


def test_the_probe_says_whose_token_it_is_and_what_it_may_read(
    github: StartGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    github(seed=51, every=True)
    monkeypatch.setenv("GITHUB_REPOSITORIES", "harbour/platform,harbour/nothing,harbour")
    found = list(probe(load_settings()))
    assert found[0][0] == "account"
    assert ("harbour/platform", "visible as harbour/platform") in found
    assert ("harbour/nothing", "not visible to this token") in found
    assert ("harbour", "3 repositories") in found
    assert ("workflow runs", "may be read in harbour/platform") in found
