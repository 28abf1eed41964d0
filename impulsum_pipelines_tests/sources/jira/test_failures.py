"""What the network, the limits and the account can do to a pull, and what the errors say."""

from __future__ import annotations

from typing import Any

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.base import http
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.jira.support import alive, everything, held, sync, tables_with

NOW = "2026-11-01T12:00:00Z"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 429, "retry_after": 1, "reason": "jira-burst-based"}, id="429"),
        pytest.param({"kind": "status", "status": 429, "count": 2}, id="429 without Retry-After"),
        pytest.param({"kind": "status", "status": 500}, id="500"),
        pytest.param({"kind": "status", "status": 503, "retry_after": 0}, id="503 with Retry-After"),
        pytest.param({"kind": "reset"}, id="connection reset"),
        pytest.param({"kind": "truncate"}, id="malformed page"),
        pytest.param({"kind": "status", "status": 200, "body": ""}, id="200 without a body"),
        pytest.param({"kind": "status", "status": 200, "body": '{"issues": [1e400]}'}, id="a number that is infinite"),
        pytest.param({"kind": "slow_body", "seconds": 0.2}, id="slow body"),
    ],
)
@pytest.mark.parametrize("path", ["search/jql", "issue/bulkfetch"])
@pytest.mark.exhaustive
def test_a_fault_that_passes_by_itself_does_not_fail_the_pull(
    sandbox: SandboxFactory, fault: dict[str, Any], path: str
) -> None:
    site = sandbox(seed=31, issues=20, now=NOW)
    site.control("fault", path=path, **fault)
    result = sync()
    assert len(alive("issues")) == 20
    limited = fault.get("status") == 429 or "retry_after" in fault
    assert result.limit_waits == (fault.get("count", 1) if limited else 0)
    if fault.get("retry_after"):
        assert result.limit_wait_seconds == fault["retry_after"]


def test_faults_of_every_kind_in_one_pull_do_not_fail_it(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=31, issues=20, now=NOW)
    faults: dict[str, dict[str, Any]] = {
        "search/jql": {"kind": "status", "status": 429, "retry_after": 1, "reason": "jira-burst-based"},
        "issue/bulkfetch": {"kind": "truncate"},
        "changelog/bulkfetch": {"kind": "reset"},
        "worklog/updated": {"kind": "status", "status": 500},
        "worklog/list": {"kind": "status", "status": 200, "body": ""},
        "api/3/field": {"kind": "status", "status": 200, "body": "[1e400]"},
        "api/3/status": {"kind": "status", "status": 503, "retry_after": 0},
        "api/3/users": {"kind": "slow_body", "seconds": 0.2},
        "agile/1.0/board": {"kind": "status", "status": 429, "count": 2},
    }
    for path, fault in faults.items():
        site.control("fault", path=path, **fault)
    result = sync()
    assert len(alive("issues")) == 20
    assert result.limit_waits == 4
    assert result.limit_wait_seconds == pytest.approx(1, abs=0.1)


def test_half_a_character_makes_no_page_unreadable(sandbox: SandboxFactory) -> None:
    """Vendors cut texts within a surrogate pair and send the half as JSON: most parsers read it, strict ones do not."""
    site = sandbox(seed=31, issues=20, now=NOW)
    cut = r'[{"id": "1", "name": "cut \ud83d"}, {"id": "2", "name": "\ud83d\ude00"}]'
    site.control("fault", kind="status", status=200, body=cut, path="api/3/status")
    sync()
    assert held("select id, name from raw.statuses order by id") == [("1", "cut \ufffd"), ("2", "\U0001f600")]


def test_an_issue_that_fails_in_a_batch_is_read_alone(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=31, issues=20, now=NOW)
    site.control("fault", kind="issue_error", path="issue/bulkfetch")
    assert sync().rows["issues"].new == len(alive("issues")) == 20


def test_an_endpoint_that_the_vendor_removed_is_an_error_that_says_so(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=31, issues=20, now=NOW)
    gone = '{"errorMessages": ["The requested API has been removed."], "errors": {}}'
    site.control("fault", kind="status", status=410, body=gone, path="search/jql")
    with pytest.raises(ImpulsumError, match="has removed this endpoint: The requested API") as failure:
        sync()
    assert failure.value.category is Category.CONFIGURATION
    assert "update impulsum_pipelines" in failure.value.next_step


def test_a_long_retry_after_is_an_error_that_says_when_to_try_again(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=32, issues=20, now=NOW)
    site.control(
        "fault", kind="status", status=429, retry_after=900, reason="jira-quota-tenant-based", path="search/jql"
    )
    with pytest.raises(ImpulsumError, match="asked again after 900 s") as failure:
        sync()
    assert (failure.value.category, failure.value.retry_after) == (Category.RATE_LIMIT, 900)
    sync()
    assert len(alive("issues")) == 20


def test_a_source_that_stays_down_is_an_outage_and_loses_no_row(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=33, issues=20, now=NOW)
    sync()
    before = everything()
    site.control("fault", kind="status", status=502, count=http.ATTEMPTS, path="search/jql")
    with pytest.raises(ImpulsumError, match="answered 502") as failure:
        sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert everything() == before
    assert sync().watermark_to is not None


def messages(site: Running, monkeypatch: pytest.MonkeyPatch) -> dict[str, ImpulsumError]:
    found = {}
    monkeypatch.setenv("JIRA_API_TOKEN", "mistyped-token")
    with pytest.raises(ImpulsumError) as wrong:
        sync()
    found["wrong"] = wrong.value
    monkeypatch.setenv("JIRA_API_TOKEN", site.env["JIRA_API_TOKEN"])
    sync()
    site.control("revoke_token")
    with pytest.raises(ImpulsumError) as revoked:
        sync()
    found["revoked"] = revoked.value
    site.control("revoke_token", revoked=False)
    site.control("deny", permission="boards")
    with pytest.raises(ImpulsumError) as denied:
        sync()
    found["denied"] = denied.value
    return found


def test_wrong_token_revoked_token_and_missing_permission_have_different_errors(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = messages(sandbox(seed=34, issues=20, now=NOW), monkeypatch)
    assert {name: error.category for name, error in found.items()} == {
        "wrong": Category.AUTHENTICATION,
        "revoked": Category.AUTHENTICATION,
        "denied": Category.PERMISSION,
    }
    assert "refused the credentials" in found["wrong"].what
    assert "worked until" in found["revoked"].what
    assert "board" in found["denied"].where
    assert len({error.next_step for error in found.values()}) == 3
    assert not any(error.retryable for error in found.values())
    assert not any("mistyped-token" in str(error) for error in found.values())


def test_no_secret_reaches_a_table_or_a_log(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = sandbox(seed=35, issues=20, now=NOW)
    caplog.set_level("DEBUG")
    site.control("fault", kind="status", status=500, path="field")
    sync()
    token = site.env["JIRA_API_TOKEN"]
    assert token not in caplog.text
    assert tables_with("Story Points") >= {"fields"}
    assert tables_with(token) == set()


def test_a_project_that_is_named_but_was_never_visible_is_a_permission_error(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(seed=36, issues=20, now=NOW)
    monkeypatch.setenv("JIRA_PROJECTS", "NOPE")
    with pytest.raises(ImpulsumError, match="NOPE are not visible") as failure:
        sync()
    assert failure.value.category is Category.PERMISSION


def test_a_source_without_its_token_is_off_and_says_what_to_set(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(seed=37, issues=20, now=NOW)
    monkeypatch.delenv("JIRA_API_TOKEN")
    with pytest.raises(ImpulsumError, match="JIRA_API_TOKEN is not set"):
        sync()
