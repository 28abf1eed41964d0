"""The day's quota, the limit per minute, and the errors that come with status 200."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.fireflies import client
from impulsum_pipelines.sources.fireflies.refusals import seconds_until
from impulsum_pipelines_tests.sources.fireflies.conftest import Fireflies, StartFireflies


def forget(site: Fireflies) -> None:
    """A new day: the quota is full again, at Fireflies and here."""
    site.do("set_quota", per_day=100_000, per_minute=10_000, forget=True)
    for file in Home.of(load_settings()).limits.glob("*"):
        file.unlink()


def test_normal_work_is_never_refused(fireflies: StartFireflies) -> None:
    """By the vendor's published limits: a first pull, a quiet one and one after ten changes."""
    site = fireflies(seed=8, roomy=False)
    first = site.sync()
    quiet = site.sync()
    site.do("hold_meeting", count=4)
    site.do("upload_old", days_ago=9)
    newest = site.ids()
    site.do("retitle", meeting=newest[2], title="Changed")
    site.do("set_privacy", meeting=newest[5], privacy="owner")
    site.do("delete", meeting=newest[6])
    site.do("hold_meeting", live=True)
    site.do("hold_meeting", status="processing")
    site.later(minutes=30)
    changes = site.sync()
    assert site.differences() == {}
    assert (site.refused(), first.limit_waits) == (0, 0)
    assert first.requests <= 22
    assert quiet.requests == 2
    assert changes.requests <= 5


def test_when_the_quota_is_used_up_the_pull_keeps_what_it_has_and_the_next_one_continues(
    fireflies: StartFireflies, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = fireflies(seed=9, issues=20)
    site.do("hold_meeting", count=30, minutes_ago=60 * 24 * 40)
    monkeypatch.setenv("FIREFLIES_REQUESTS_A_DAY", "8")
    stored = []
    for _ in range(3):
        with pytest.raises(ImpulsumError, match=r"used up until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC") as stopped:
            site.sync()
        assert stopped.value.category is Category.RATE_LIMIT
        assert (stopped.value.retry_after or 0) > 80_000
        stored.append(site.pulls.one("select count(*) from raw.transcripts where is_whole"))
        assert site.pulls.one("select count(*) from raw.syncs where status = 'done'") == 0
        forget(site)
    assert stored == sorted(set(stored)), stored
    monkeypatch.setenv("FIREFLIES_REQUESTS_A_DAY", "1000")
    result = site.sync()
    assert result.watermark_to is not None
    assert site.differences() == {}
    assert set(site.do("reads").values()) == {1}, "no meeting was read twice"
    assert set(site.do("reads")) == set(site.ids())
    assert site.refused() == 0
    assert site.pulls.one("select at_source = held from raw.census")
    site.later(hours=1)
    assert site.sync().requests == 2


def test_a_pull_that_starts_without_quota_asks_nothing(
    fireflies: StartFireflies, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = fireflies(seed=10)
    monkeypatch.setenv("FIREFLIES_REQUESTS_A_DAY", "8")
    with pytest.raises(ImpulsumError):
        site.sync()
    site.served.requests(reset=True)
    with pytest.raises(ImpulsumError, match="used up until"):
        site.sync()
    assert site.served.requests() == {}


def test_changes_that_the_quota_put_off_are_read_by_the_next_pull(
    site: Fireflies, monkeypatch: pytest.MonkeyPatch
) -> None:
    for meeting in site.ids():
        site.do("retitle", meeting=meeting, title=f"Changed {meeting}")
    site.do("reads", reset=True)
    monkeypatch.setenv("FIREFLIES_REQUESTS_A_DAY", "17")
    with pytest.raises(ImpulsumError, match="used up"):
        site.sync(census=True)
    assert 0 < len(site.do("reads")) < len(site.ids())
    monkeypatch.setenv("FIREFLIES_REQUESTS_A_DAY", "1000")
    forget(site)
    site.sync()
    assert site.differences() == {}
    assert set(site.do("reads").values()) == {1}


@pytest.mark.parametrize(
    "written", ["epoch_ms", *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("iso", "seconds"))]
)
def test_the_vendors_own_refusal_says_until_when_and_no_later_pull_asks_before(
    fireflies: StartFireflies, written: str
) -> None:
    site = fireflies(seed=12)
    site.do("set_quota", per_day=5, per_minute=10_000, retry_after=written)
    with pytest.raises(ImpulsumError, match="answers no more requests of this key until 20") as stopped:
        site.sync()
    assert stopped.value.category is Category.RATE_LIMIT
    assert 80_000 < (stopped.value.retry_after or 0) <= 86_400
    assert len(site.pulls.alive("transcripts")) > 0
    site.served.requests(reset=True)
    with pytest.raises(ImpulsumError, match="used up until"):
        site.sync()
    assert site.served.requests() == {}
    forget(site)
    site.sync()
    assert site.differences() == {}


def test_a_refusal_without_a_time_is_tried_again_a_few_times_and_then_raised(fireflies: StartFireflies) -> None:
    site = fireflies(seed=13)
    site.do("set_quota", per_day=1, per_minute=10_000, retry_after="none")
    with pytest.raises(ImpulsumError, match="answers no more requests") as stopped:
        site.sync()
    assert (stopped.value.category, stopped.value.retry_after) == (Category.RATE_LIMIT, None)
    assert site.refused() == http.ATTEMPTS


def test_retry_after_is_understood_however_it_is_written() -> None:
    now = time.time()
    assert seconds_until((now + 60) * 1000) == pytest.approx(60, abs=1)
    assert seconds_until(now + 60) == pytest.approx(60, abs=1)
    assert seconds_until("60") == 60
    assert seconds_until(60.5) == 60.5
    assert seconds_until((now - 60) * 1000) == 0
    assert seconds_until("soon") is None
    assert seconds_until(None) is None
    assert seconds_until(True) is None


def answer(site: Fireflies, body: object, status: int = 200, **more: Any) -> None:
    site.served.control("fault", kind="status", status=status, path="graphql", body=orjson.dumps(body).decode(), **more)


def error(code: str, message: str = "No", **more: Any) -> dict[str, Any]:
    return {"message": message, "code": code, "friendly": True, "extensions": {"code": code, "status": 400}, **more}


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("auth_failed", Category.AUTHENTICATION),
        ("account_cancelled", Category.PERMISSION),
        pytest.param("paid_required", Category.PERMISSION, marks=pytest.mark.exhaustive),
        pytest.param("require_elevated_privilege", Category.PERMISSION, marks=pytest.mark.exhaustive),
        ("invalid_arguments", Category.INTERNAL),
        pytest.param("GRAPHQL_VALIDATION_FAILED", Category.INTERNAL, marks=pytest.mark.exhaustive),
    ],
)
def test_an_error_of_status_200_is_an_error(fireflies: StartFireflies, code: str, category: Category) -> None:
    site = fireflies(seed=14)
    answer(site, {"errors": [error(code)]}, after=1)
    with pytest.raises(ImpulsumError, match=f"(?i){code}") as failure:
        site.sync()
    assert failure.value.category is category
    assert not failure.value.retryable
    assert site.pulls.alive("transcripts") == set()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"errors": [error("internal_server_error")], "data": {"transcripts": None}}, id="failed list"),
        pytest.param({"errors": [error("request_timeout")]}, id="timeout", marks=pytest.mark.exhaustive),
        pytest.param({"data": None}, id="no data", marks=pytest.mark.exhaustive),
        pytest.param([], id="no object"),
    ],
)
def test_an_answer_without_a_list_is_not_an_empty_list(site: Fireflies, body: object) -> None:
    before = site.pulls.everything()
    answer(site, body, after=1)
    site.sync()
    assert site.pulls.everything() == before


def test_a_list_that_is_null_without_an_error_is_an_error(fireflies: StartFireflies) -> None:
    site = fireflies(seed=15)
    answer(site, {"data": {"transcripts": None}}, after=1, count=http.ATTEMPTS)
    with pytest.raises(ImpulsumError, match="without data") as failure:
        site.sync()
    assert failure.value.category is Category.BAD_DATA


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 429, "retry_after": 1}, id="429"),
        pytest.param(
            {"kind": "status", "status": 429, "count": 2}, id="429 without Retry-After", marks=pytest.mark.exhaustive
        ),
        pytest.param(
            {"kind": "status", "status": 502, "body": "<html>Bad gateway</html>"},
            id="502",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param({"kind": "reset"}, id="connection reset", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "truncate"}, id="cut page"),
    ],
)
@pytest.mark.parametrize(
    "after", [pytest.param(1, id="list", marks=pytest.mark.exhaustive), pytest.param(3, id="whole")]
)
def test_a_fault_that_passes_by_itself_does_not_fail_the_pull(
    fireflies: StartFireflies, fault: dict[str, Any], after: int
) -> None:
    site = fireflies(seed=16)
    site.served.control("fault", path="graphql", after=after, **fault)
    site.sync()
    assert site.differences() == {}


def test_an_outage_in_the_middle_keeps_what_was_read(fireflies: StartFireflies) -> None:
    site = fireflies(seed=17)
    site.served.control("fault", kind="status", status=502, path="graphql", after=6, count=http.ATTEMPTS)
    with pytest.raises(ImpulsumError, match="502") as failure:
        site.sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert site.pulls.one("select count(*) from raw.transcripts where is_whole") > 0
    assert site.pulls.one("select status from raw.syncs") == "incomplete"
    site.sync()
    assert site.differences() == {}
    assert set(site.do("reads").values()) == {1}


def test_a_wrong_key_a_revoked_one_and_no_key_give_different_errors_that_never_show_it(
    fireflies: StartFireflies, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = fireflies(seed=18)
    caplog.set_level("DEBUG")
    right = site.served.env["FIREFLIES_API_KEY"]
    monkeypatch.setenv("FIREFLIES_API_KEY", "mistyped-key")
    with pytest.raises(ImpulsumError, match="refused the credentials") as wrong:
        site.sync()
    monkeypatch.setenv("FIREFLIES_API_KEY", right)
    site.sync()
    site.do("revoke_key")
    with pytest.raises(ImpulsumError, match="worked until") as revoked:
        site.sync()
    monkeypatch.delenv("FIREFLIES_API_KEY")
    with pytest.raises(ImpulsumError, match="FIREFLIES_API_KEY is not set") as off:
        site.sync()
    assert wrong.value.category is revoked.value.category is Category.AUTHENTICATION
    assert off.value.category is Category.CONFIGURATION
    assert len({str(e.value) for e in (wrong, revoked, off)}) == 3
    assert not any("mistyped-key" in str(e.value) or right in str(e.value) for e in (wrong, revoked, off))
    assert right not in caplog.text
    assert site.pulls.tables_with(right) == set()


def test_the_key_of_a_member_needs_no_administrator(fireflies: StartFireflies) -> None:
    site = fireflies(seed=19)
    site.do("set_admin", admin=False)
    site.sync()
    assert site.differences() == {}


def test_probe_says_whose_key_it_is_and_what_it_sees(fireflies: StartFireflies) -> None:
    from impulsum_pipelines.sources.registry import probe_source

    site = fireflies(seed=20)
    found = dict(probe_source("fireflies", load_settings()))
    assert found.keys() == {"account", "meetings", "whole meeting"}
    assert "administrator" in found["account"]
    assert found["whole meeting"] == "can be read"
    assert sum(site.served.requests().values()) == 3


@pytest.mark.parametrize("per_day", [1, 50, 60, 61, 500, 86_400, 10_000_000])
def test_any_number_of_requests_a_day_can_be_set(
    fireflies: StartFireflies, monkeypatch: pytest.MonkeyPatch, per_day: int
) -> None:
    site = fireflies(seed=20, roomy=False)
    monkeypatch.setenv("FIREFLIES_REQUESTS_A_DAY", str(per_day))
    assert client.FirefliesClient(load_settings()).account()["is_admin"]
    assert site.refused() == 0
