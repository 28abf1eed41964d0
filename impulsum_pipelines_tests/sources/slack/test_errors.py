"""What the network, the limits and the token can do to a pull, and what the user reads."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.registry import probe_source
from impulsum_pipelines.sources.slack import client
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.slack.support import ATLAS, alive, everything, held, one, slack, sync, wrong


def refuse(site: Running, code: str, path: str = "conversations.history", count: int = 1, **more: Any) -> None:
    """Let Slack refuse the next requests of a method."""
    body = orjson.dumps({"ok": False, "error": code, **more}).decode()
    site.control("fault", kind="status", status=200, body=body, path=path, count=count)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 429, "retry_after": 1}, id="429"),
        pytest.param(
            {"kind": "status", "status": 429, "count": 2}, id="429 without Retry-After", marks=pytest.mark.exhaustive
        ),
        pytest.param({"kind": "status", "status": 502}, id="502", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "reset"}, id="connection reset", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "truncate"}, id="page cut short", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "status", "status": 200, "body": '{"messages": []}'}, id="not Slack's"),
    ],
)
def test_what_passes_by_itself_is_sat_out(workspace: Start, fault: dict[str, Any]) -> None:
    site = workspace(seed=31)
    site.control("fault", path="conversations.history", **fault)
    result = sync()
    assert wrong(site) == {}
    assert result.limit_waits == (fault.get("count", 1) if fault.get("status") == 429 else 0)
    if fault.get("retry_after"):
        assert result.limit_wait_seconds == fault["retry_after"]


@pytest.mark.parametrize(
    "code", ["internal_error", "ratelimited", pytest.param("fatal_error", marks=pytest.mark.exhaustive)]
)
def test_ok_false_is_an_error_and_never_an_empty_page(workspace: Start, code: str) -> None:
    """Airbyte's source took ok:false for success: the loss was silent."""
    site = workspace(seed=32)
    refuse(site, code)
    sync()
    assert wrong(site) == {}


@pytest.mark.parametrize(
    "code",
    [
        "invalid_auth",
        *(pytest.param(code, marks=pytest.mark.exhaustive) for code in ("token_revoked", "account_inactive")),
    ],
)
def test_a_token_that_is_refused_ends_the_pull_at_once(workspace: Start, code: str) -> None:
    site = workspace(seed=33)
    refuse(site, code)
    with pytest.raises(ImpulsumError, match=code) as failure:
        sync()
    assert failure.value.category is Category.AUTHENTICATION
    assert alive("messages") == set()


@pytest.mark.parametrize(
    ("method", "code", "category"),
    [
        ("history", "missing_scope", Category.PERMISSION),
        ("members", "a_code_of_next_year", Category.INTERNAL),
        pytest.param("history", "invalid_arguments", Category.INTERNAL, marks=pytest.mark.exhaustive),
        pytest.param("history", "a_code_of_next_year", Category.INTERNAL, marks=pytest.mark.exhaustive),
        pytest.param("members", "invalid_arguments", Category.INTERNAL, marks=pytest.mark.exhaustive),
        pytest.param("members", "missing_scope", Category.PERMISSION, marks=pytest.mark.exhaustive),
    ],
)
def test_one_channel_that_is_refused_keeps_the_others_read(
    workspace: Start, code: str, category: Category, method: str
) -> None:
    site = workspace(seed=33)
    refuse(site, code, path=f"conversations.{method}", needed="channels:history")
    with pytest.raises(ImpulsumError, match=code) as failure:
        sync()
    assert failure.value.category is category
    assert not failure.value.retryable
    assert "of channel C" in failure.value.where
    if code == "missing_scope":
        assert "channels:history" in failure.value.what
        assert "channels:history" in failure.value.next_step
    assert set(wrong(site)) == {"messages" if method == "history" else "members"}
    table = "messages" if method == "history" else "members"
    readable = one("select count(*) from raw.channels where is_member")
    assert one(f"select count(distinct channel_id) from raw.{table}") == readable - 1
    sync()
    assert wrong(site) == {}


def test_a_wrong_and_a_revoked_token_give_different_errors(workspace: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    site = workspace(seed=34)
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-mistyped")
    with pytest.raises(ImpulsumError, match="refused the token") as mistyped:
        sync()
    monkeypatch.setenv("SLACK_BOT_TOKEN", site.env["SLACK_BOT_TOKEN"])
    sync()
    site.control("slack/revoke_token")
    with pytest.raises(ImpulsumError, match="worked until") as revoked:
        sync()
    site.control("slack/revoke_token", error=None)
    sync()
    assert {e.value.category for e in (mistyped, revoked)} == {Category.AUTHENTICATION}
    assert mistyped.value.next_step != revoked.value.next_step
    assert "xoxb-mistyped" not in str(mistyped.value)


def test_a_long_retry_after_is_an_error_and_what_was_read_stays_read(workspace: Start) -> None:
    site = workspace(seed=35)
    limit = {"kind": "status", "status": 429, "retry_after": 900}
    site.control("fault", path="conversations.history", after=3, **limit)
    with pytest.raises(ImpulsumError, match="asked again after 900 s") as failure:
        sync()
    assert (failure.value.category, failure.value.retry_after) == (Category.RATE_LIMIT, 900)
    assert one("select status from raw.syncs") == "incomplete"
    assert one("select count(distinct channel_id) from raw.messages") == 3
    site.requests(reset=True)
    result = sync()
    assert wrong(site) == {}
    assert result.watermark_from is None
    assert result.watermark_to is not None
    assert result.rows["messages"].unchanged > 0  # of the three channels only the overlap is read again


def test_a_source_that_stays_down_is_an_outage_and_changes_no_row(pulled: Start) -> None:
    site = pulled()
    before = everything()
    site.control("fault", kind="status", status=502, count=http.ATTEMPTS, path="conversations.history")
    with pytest.raises(ImpulsumError, match="answered 502") as failure:
        sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert everything() == before
    assert sync().watermark_to is not None


@pytest.mark.parametrize(("kind", "message"), [("repeat_token", "a page repeats"), ("end_early", "gives no cursor")])
def test_paging_that_breaks_is_an_error_and_takes_nothing_for_deleted(
    pulled: Start, monkeypatch: pytest.MonkeyPatch, kind: str, message: str
) -> None:
    site = pulled()
    before = alive("messages")
    monkeypatch.setattr(client, "PAGE", 5)
    site.control("fault", kind=kind, path="conversations.history", count=20)
    with pytest.raises(ImpulsumError, match=message):
        sync(census=True)
    assert alive("messages") == before
    site.control("clear_faults")
    sync(census=True)
    assert wrong(site) == {}


def test_an_empty_page_with_a_cursor_is_not_the_end(workspace: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 20)
    site = workspace(seed=38)
    site.control("fault", kind="empty_page", path="conversations.history", count=3, after=1)
    sync()
    assert wrong(site) == {}


def test_a_users_list_that_wants_a_limit_gets_one(workspace: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "USERS_PAGE", 4)
    site = workspace(seed=39)
    site.control("slack/limit_required")
    sync()
    assert wrong(site) == {}


def test_scopes_that_are_missing_narrow_what_is_asked_for(workspace: Start) -> None:
    """One kind too many, and Slack refuses the whole list."""
    site = workspace(seed=40)
    private = [f"{kind}:{act}" for kind in ("groups", "im", "mpim") for act in ("read", "history")]
    site.control("slack/scopes", remove=[*private, "users:read.email"])
    sync()
    assert {kind for (kind,) in held("select distinct type from raw.channels")} == {"public_channel"}
    assert wrong(site) == {}
    site.control("slack/scopes", add=private)
    sync()
    assert {kind for (kind,) in held("select distinct type from raw.channels")} > {"public_channel"}
    assert {table for table in wrong(site) if table != "users"} == set()
    site.control("slack/scopes", remove=["channels:read", *private])
    with pytest.raises(ImpulsumError, match="channels:read") as failure:
        sync()
    assert failure.value.category is Category.PERMISSION


def test_a_bot_removed_between_the_list_and_the_read_is_no_error(workspace: Start) -> None:
    site = workspace(seed=41)
    refuse(site, "not_in_channel")
    refuse(site, "channel_not_found", path="conversations.members")
    sync()
    sync()
    assert {table for table in wrong(site) if table != "members"} == set()


def test_a_thread_that_vanishes_while_it_is_read_is_no_error(workspace: Start) -> None:
    site = workspace(seed=42)
    refuse(site, "thread_not_found", path="conversations.replies")
    sync()
    assert one("select count(*) from raw.messages") > 0


def test_a_token_of_another_workspace_is_refused(pulled: Start) -> None:
    site = pulled()
    before = everything()
    other = {"ok": True, "url": "https://other.slack.com/", "team": "Other", "team_id": "T00000OTHER", "user_id": "U1"}
    site.control("fault", kind="status", status=200, body=orjson.dumps(other).decode(), path="auth.test")
    with pytest.raises(ImpulsumError, match="another workspace") as failure:
        sync()
    assert failure.value.category is Category.CONFIGURATION
    assert everything() == before


def test_more_threads_than_a_period_allows_are_read_without_one_refusal(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the published limits, in periods of two seconds instead of a minute: only the client waits."""
    site = workspace(seed=44)
    for _ in range(60):
        root = site.control("slack/post", channel=ATLAS)["ts"]
        site.control("slack/reply", channel=ATLAS, thread=root)
    site.control("slack/limits", factor=1, period=2)
    monkeypatch.setattr(client, "PERIOD", 2_000)
    monkeypatch.setattr(client, "RATES", {method: calls // 40 for method, calls in client.RATES.items()})
    result = sync()
    assert wrong(site) == {}
    assert site.control("slack/refusals") == {}
    assert result.limit_waits == 0
    assert site.requests()["GET /slack/api/conversations.replies"] > 60


def test_the_service_refuses_what_goes_over_its_limit(workspace: Start) -> None:
    """The counterpart: without a budget the service does refuse, and the pull obeys."""
    site = workspace(seed=45)
    site.control("slack/limits", factor=0.1, period=1)
    result = sync()
    assert site.control("slack/refusals")
    assert result.limit_waits > 0
    assert wrong(site) == {}


def test_a_document_that_does_not_fit_is_quarantined_and_the_others_are_loaded(workspace: Start) -> None:
    site = workspace(seed=46)
    page = {"ok": True, "has_more": False, "messages": [
        {"type": "message", "text": "no ts"}, {"type": "message", "text": "fits", "ts": "1793000000.000001"},
    ]}  # fmt: skip
    site.control("fault", kind="status", status=200, body=orjson.dumps(page).decode(), path="conversations.history")
    sync()
    assert one("select count(*) from raw.quarantine where stream = 'messages'") == 1
    assert one("select count(*) from raw.messages where text = 'fits'") == 1


def test_no_secret_reaches_a_table_or_a_log(workspace: Start, caplog: pytest.LogCaptureFixture) -> None:
    site = workspace(seed=47)
    caplog.set_level("DEBUG")
    refuse(site, "internal_error")
    sync()
    token = site.env["SLACK_BOT_TOKEN"]
    assert token not in caplog.text
    assert slack.tables_with(token) == set()


def test_a_source_without_its_token_is_off_and_says_what_to_set(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace(seed=48)
    monkeypatch.delenv("SLACK_BOT_TOKEN")
    with pytest.raises(ImpulsumError, match="SLACK_BOT_TOKEN is not set"):
        sync()


def test_the_probe_says_what_may_be_seen(workspace: Start) -> None:
    site = workspace(seed=49)
    site.control("slack/scopes", remove=["mpim:history"])
    tried = dict(probe_source("slack", load_settings()))
    assert tried["account"] == "logged in to Sandbox as impulsum"
    assert "without mpim:history" in tried["scopes"]
    assert "visible, the bot is in" in tried["channels"]
