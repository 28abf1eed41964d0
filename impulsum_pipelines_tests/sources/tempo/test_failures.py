"""What the network, the limits and the token can do to a pull, and what the errors say."""

from __future__ import annotations

from typing import Any

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.registry import probe_source
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.tempo.support import NOW, alive, door, everything, later, one, sync, tempo, wrong

pytestmark = pytest.mark.usefixtures("high_limit")


@pytest.mark.parametrize(
    ("fault", "waits", "seconds"),
    [
        pytest.param({"kind": "status", "status": 429, "retry_after": 1}, 1, 1, id="429"),
        pytest.param(
            {"kind": "status", "status": 429, "retry_after": 0},
            1,
            1,
            id="429 that wants less than a second",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            {"kind": "status", "status": 429, "count": 2},
            2,
            0.003,
            id="429 without Retry-After",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param({"kind": "status", "status": 500}, 0, 0, id="500", marks=pytest.mark.exhaustive),
        pytest.param(
            {"kind": "status", "status": 503, "retry_after": 0},
            1,
            0,
            id="503 with Retry-After",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param({"kind": "reset"}, 0, 0, id="connection reset", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "truncate"}, 0, 0, id="malformed page", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "empty_page"}, 0, 0, id="an empty page that leads on"),
    ],
)
def test_a_fault_that_passes_by_itself_does_not_fail_the_pull(
    sandbox: SandboxFactory, fault: dict[str, Any], waits: int, seconds: float
) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    site.control("fault", path="/tempo/4/worklogs", **fault)
    result = sync()
    assert wrong(site) == {}
    assert result.limit_waits == waits
    assert result.limit_wait_seconds == pytest.approx(seconds)


def test_a_long_retry_after_is_an_error_that_says_when_to_try_again(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    site.control("fault", kind="status", status=429, retry_after=900, path="/tempo/4/worklogs")
    with pytest.raises(ImpulsumError, match="asked again after 900 s") as failure:
        sync()
    assert (failure.value.category, failure.value.retry_after) == (Category.RATE_LIMIT, 900)


def test_a_source_that_stays_down_is_an_outage_and_loses_no_row(pulled: Start) -> None:
    site = pulled()
    before = everything()
    door(site)("log")
    later(site)
    site.control("fault", kind="status", status=502, count=http.ATTEMPTS, path="/tempo/4/plans")
    with pytest.raises(ImpulsumError, match="answered 502") as failure:
        sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert everything() == before
    sync()
    assert wrong(site) == {}


@pytest.mark.parametrize("path", ["/tempo/4/worklogs", "/tempo/4/papertrail"])
def test_a_list_that_repeats_a_page_is_an_outage(pulled: Start, path: str) -> None:
    site = pulled()
    before = everything()
    door(site)("bulk_touch", count=20)
    for worklog in sorted(map(int, alive("worklogs")))[-20:]:
        door(site)("delete", worklog=worklog)
    door(site)("shrink_page", limit=5)
    site.control("fault", kind="repeat_token", count=3, path=path)
    with pytest.raises(ImpulsumError, match="a page repeats") as failure:
        sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert everything() == before


def test_a_page_that_has_another_number_of_results_than_it_says_is_read_again(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    short = '{"self":"","metadata":{"count":50,"offset":0,"limit":50},"results":[]}'
    site.control("fault", kind="status", status=200, body=short, path="/tempo/4/worklogs")
    sync()
    assert wrong(site) == {}


def test_a_link_to_another_host_gets_no_token(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    elsewhere = (
        '{"self":"","metadata":{"count":0,"offset":0,"limit":1,"next":"https://example.com/4/worklogs"},"results":[]}'
    )
    site.control("fault", kind="status", status=200, body=elsewhere, path="/tempo/4/worklogs")
    with pytest.raises(ImpulsumError, match="another host"):
        sync()


def test_wrong_token_revoked_token_and_missing_permission_have_different_errors(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    do = door(site)
    found: dict[str, ImpulsumError] = {}
    monkeypatch.setenv("TEMPO_API_TOKEN", "mistyped-token")
    with pytest.raises(ImpulsumError) as failed:
        sync()
    found["wrong"] = failed.value
    monkeypatch.setenv("TEMPO_API_TOKEN", site.env["TEMPO_API_TOKEN"])
    sync()
    do("revoke_token")
    with pytest.raises(ImpulsumError) as failed:
        sync()
    found["revoked"] = failed.value
    do("revoke_token", revoked=False)
    for permission, status in (("worklogs", 404), ("accounts", 403)):
        monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
        do("deny", permission=permission)
        with pytest.raises(ImpulsumError) as failed:
            sync()
        found[f"{permission} {status}"] = failed.value
        do("deny", permission=permission, denied=False)
    assert {name: error.category for name, error in found.items()} == {
        "wrong": Category.AUTHENTICATION,
        "revoked": Category.AUTHENTICATION,
        "worklogs 404": Category.PERMISSION,
        "accounts 403": Category.PERMISSION,
    }
    assert "region" in found["wrong"].next_step
    assert "worked until" in found["revoked"].what
    assert "/worklogs" in found["worklogs 404"].where
    assert "/accounts" in found["accounts 403"].where
    assert not any(error.retryable for error in found.values())
    assert not any("mistyped-token" in str(error) for error in found.values())


def test_a_tempo_without_plans_is_pulled_without_them(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    door(site)("deny", permission="plans")
    result = sync()
    assert result.streams["plans"].ended == "not permitted"
    assert result.watermark_to is not None
    truth = door(site)("truth")
    assert alive("worklogs") == truth["worklogs"].keys()
    assert alive("plans") == set()


def test_no_secret_reaches_a_table_or_a_log(sandbox: SandboxFactory, caplog: pytest.LogCaptureFixture) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    caplog.set_level("DEBUG")
    site.control("fault", kind="status", status=500, path="/tempo/4/plans")
    sync()
    token = site.env["TEMPO_API_TOKEN"]
    assert token not in caplog.text
    assert tempo.tables_with(token) == set()


def test_a_source_without_its_token_is_off_and_says_what_to_set(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(seed=1, issues=20, now=NOW)
    monkeypatch.delenv("TEMPO_API_TOKEN")
    with pytest.raises(ImpulsumError, match="TEMPO_API_TOKEN is not set"):
        sync()


def test_a_document_that_does_not_fit_is_quarantined_and_the_rest_is_loaded(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=1, issues=20, now=NOW)
    page = '{"self":"","metadata":{"count":2,"offset":0,"limit":50},"results":[{"startDate":"2026-10-01"},7]}'
    site.control("fault", kind="status", status=200, body=page, path="/tempo/4/accounts")
    sync()
    assert one("select count(*) from raw.quarantine where stream = 'accounts'") == 2
    truth = door(site)("truth")
    assert alive("worklogs") == truth["worklogs"].keys()


def test_the_probe_says_what_the_user_may_see(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=41, issues=120, now=NOW)
    do = door(site)
    says = dict(probe_source("tempo", load_settings()))
    assert list(says) == ["teams", "worklogs", "accounts", "plans", "audit log"]
    assert not any("not permitted" in text or "only their own" in text for text in says.values())
    do("log", person=do("people")["user"])
    do("restrict")
    do("deny", permission="plans")
    says = dict(probe_source("tempo", load_settings()))
    assert "only their own worklogs" in says["worklogs"]
    assert says["plans"].startswith("not permitted")
    assert "nightly census" in says["audit log"]
    do("revoke_token")
    with pytest.raises(ImpulsumError, match="refused the token"):
        dict(probe_source("tempo", load_settings()))
