"""What the network, the limits and the integration's rights can do to a pull, and what the user reads."""

from __future__ import annotations

from typing import Any

import pytest
from pyrate_limiter import Duration

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sandbox.notion import limits
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.notion import client
from impulsum_pipelines.sources.registry import probe_source
from impulsum_pipelines_tests.sources.notion.support import (
    alive,
    differences,
    everything,
    held,
    later,
    notion,
    one,
    page_of,
    sync,
)
from impulsum_pipelines_tests.sources.sites import Start

OVERLOAD = '{"object":"error","status":529,"code":"service_overload","message":"Notion is overloaded."}'
NOT_SUPPORTED = '{"object":"error","status":400,"code":"validation_error","message":"Block type transcription is not '
NOT_SUPPORTED += 'supported via the API."}'
CONFLICT = '{"object":"error","status":409,"code":"conflict_error","message":"Conflict occurred while saving."}'


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        pytest.param({"kind": "status", "status": 429, "retry_after": 1}, 1, id="429"),
        pytest.param(
            {"kind": "status", "status": 429, "count": 2}, 2, id="429 without Retry-After", marks=pytest.mark.exhaustive
        ),
        pytest.param(
            {"kind": "status", "status": 529, "retry_after": 0, "body": OVERLOAD},
            1,
            id="529",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param({"kind": "status", "status": 409, "body": CONFLICT}, 0, id="409", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "status", "status": 500}, 0, id="500", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "status", "status": 503}, 0, id="503", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "reset"}, 0, id="connection reset", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "truncate"}, 0, id="page cut short", marks=pytest.mark.exhaustive),
        pytest.param({"kind": "empty_page"}, 0, id="an empty page with more to come"),
    ],
)
def test_what_passes_by_itself_is_sat_out(workspace: Start, fault: dict[str, Any], waits: int) -> None:
    site = workspace(seed=31)
    site.control("fault", path="/query", **fault)
    result = sync()
    assert differences(site) == {}
    assert result.limit_waits == waits


def test_the_limit_of_the_vendor_is_obeyed_when_it_is_lower_than_ours(workspace: Start) -> None:
    """A workspace shares its limit between integrations: a 429 can come in the middle of our own budget."""
    site = workspace(seed=32)
    limited = '{"object":"error","status":429,"code":"rate_limited","message":"slow","additional_data":'
    limited += '{"rate_limit_reason":"public_api_space_request_rate_limit"}}'
    site.control("fault", kind="status", status=429, retry_after=900, body=limited, path="/query", after=1)
    with pytest.raises(ImpulsumError, match=r"public_api_space_request_rate_limit.*asked again after 900 s") as failure:
        sync()
    assert (failure.value.category, failure.value.retry_after) == (Category.RATE_LIMIT, 900)
    sync()
    assert differences(site) == {}


def test_a_workspace_larger_than_the_budget_meets_no_refusal(workspace: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """More requests than a window allows (here one second): our client waits, so Notion refuses none."""
    site = workspace(seed=33, small=False, limited=True)
    monkeypatch.setattr(client, "PER_WINDOW", 38)
    monkeypatch.setattr(client, "WINDOW", Duration.SECOND)
    monkeypatch.setattr(limits, "WINDOW_SECONDS", 1.0)
    site.control("notion/limit", per_minute=40)
    result = sync()
    assert site.control("notion/stats")["refused"] == 0
    assert result.limit_waits == 0
    assert differences(site) == {}


@pytest.mark.parametrize(
    "path", ["/query", *(pytest.param(path, marks=pytest.mark.exhaustive) for path in ("/children", "/search"))]
)
def test_a_repeated_cursor_is_an_outage_and_changes_no_row(
    pulled: Start, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = pulled()
    before = everything()
    site.control("fault", kind="repeat_token", count=5, path=path)
    with pytest.raises(ImpulsumError, match=r"a page repeats|pages are empty") as failure:
        sync(census=True)
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert everything() == before
    site.control("clear_faults")
    sync(census=True)
    assert differences(site) == {}


def test_a_list_that_ends_early_deletes_nothing(pulled: Start) -> None:
    """Each stored page that a census does not meet is asked for by its id before it counts as gone."""
    site = pulled()
    site.control("fault", kind="end_early", count=50, path="/query")
    sync(census=True)
    assert one("select count(*) from raw.pages where deleted_at is not null or unreachable_since is not null") == 0


def test_a_source_that_stays_down_is_an_outage_and_changes_no_row(pulled: Start) -> None:
    site = pulled()
    before = everything()
    site.control("fault", kind="status", status=502, count=http.ATTEMPTS, path="/query")
    with pytest.raises(ImpulsumError, match="answered 502") as failure:
        sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert everything() == before
    assert sync().watermark_to is not None


def test_wrong_and_revoked_tokens_and_missing_capabilities_give_different_errors(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = workspace(seed=37)
    monkeypatch.setenv("NOTION_TOKEN", "ntn_mistyped")
    with pytest.raises(ImpulsumError, match="refused the credentials") as wrong:
        sync()
    monkeypatch.setenv("NOTION_TOKEN", site.env["NOTION_TOKEN"])
    sync()
    site.control("notion/revoke_token")
    with pytest.raises(ImpulsumError, match="worked until") as revoked:
        sync()
    site.control("notion/revoke_token", revoked=False)
    site.control("notion/deny", capability="content")
    with pytest.raises(ImpulsumError, match="read content") as denied:
        sync()
    found = [wrong.value, revoked.value, denied.value]
    assert [e.category for e in found] == [Category.AUTHENTICATION, Category.AUTHENTICATION, Category.PERMISSION]
    assert len({error.next_step for error in found}) == 3
    assert not any(error.retryable for error in found)
    assert not any("ntn_" in str(error) for error in found)


@pytest.mark.parametrize(
    ("capability", "table"),
    [("read comments", "comments"), pytest.param("user information", "users", marks=pytest.mark.exhaustive)],
)
def test_a_missing_capability_costs_only_its_table_and_is_made_up_for_once_granted(
    workspace: Start, capability: str, table: str
) -> None:
    """Comments are off by default in Notion's settings of an integration: later pulls must stay small all the same."""
    site = workspace(seed=38)
    site.control("notion/deny", capability=capability)
    first = sync()
    assert capability in first.streams[table].ended
    assert first.streams[table].ended.startswith("not permitted")
    assert set(differences(site)) == {table}
    later(site)
    second = sync()
    assert second.watermark_from is not None
    assert second.requests < first.requests / 2
    site.control("notion/deny", capability=capability, denied=False)
    later(site)
    sync()
    assert differences(site) == {}
    later(site)
    assert sync().requests <= second.requests, "what was lacking is read once"


def test_a_block_that_the_api_does_not_support_is_kept_and_not_looked_into(workspace: Start) -> None:
    """As meeting notes come: with blocks under them that Notion refuses to list."""
    site = workspace(seed=44)
    page = site.control("notion/create_page", title="Meeting", lines=["before"])["id"]
    site.control("notion/append_blocks", parent=page, kind="unsupported", depth=2)
    site.control("notion/append_blocks", parent=page, text="after")
    result = sync()
    assert result.streams["blocks"].ended == "complete"
    assert differences(site) == {}
    assert held("select type, has_children from raw.blocks where page_id = ? order by position", page) == [
        ("paragraph", False),
        ("unsupported", True),
        ("paragraph", False),
    ]


@pytest.mark.parametrize("status", [400, pytest.param(404, marks=pytest.mark.exhaustive)])
def test_one_block_that_is_not_listed_costs_neither_the_page_nor_the_pull(pulled: Start, status: int) -> None:
    site = pulled()
    page = page_of("Specs")
    [(block, under)] = held(
        "select parent_id, list(id) from raw.blocks where page_id = ? and depth = 1 group by parent_id limit 1", page
    )
    later(site)
    site.control("notion/edit_page", page=page, title="Edited beside it")
    site.control("fault", kind="status", status=status, count=99, path=f"/blocks/{block}/children", body=NOT_SUPPORTED)
    result = sync(census=True)
    assert result.streams["blocks"].ended == "complete; blocks under which Notion lists nothing: 1"
    assert result.watermark_to is not None
    assert one("select title from raw.pages where id = ?", page) == "Edited beside it"
    assert {block, *under} <= alive("blocks"), "the blocks stored under it are not known to be gone"
    assert differences(site) == {}


def test_a_page_with_a_part_that_is_not_found_is_read_again_before_it_counts_as_gone(pulled: Start) -> None:
    site = pulled()
    page = page_of("Specs")
    later(site)
    site.control("notion/edit_page", page=page, title="Still here")
    site.control("fault", kind="status", status=404, path=f"/blocks/{page}/children")
    sync()
    assert differences(site) == {}
    later(site)
    site.control("notion/edit_page", page=page, title="Not to be read")
    site.control("fault", kind="status", status=404, count=2, path=f"/blocks/{page}/children")
    with pytest.raises(ImpulsumError, match="Not found"):
        sync()
    assert one("select deleted_at is null and unreachable_since is null from raw.pages where id = ?", page)
    sync()
    assert differences(site) == {}


def test_nothing_shared_is_an_error_and_not_an_empty_workspace(workspace: Start) -> None:
    site = workspace(seed=39)
    for thing in (*site.control("notion/truth")["pages"], *site.control("notion/truth")["data_sources"]):
        site.control("notion/unindex", thing=thing)
    with pytest.raises(ImpulsumError, match="Nothing is shared with the integration") as failure:
        sync()
    assert failure.value.category is Category.PERMISSION
    assert "Connections" in failure.value.next_step


def test_no_secret_reaches_a_table_or_a_log(workspace: Start, caplog: pytest.LogCaptureFixture) -> None:
    site = workspace(seed=40)
    caplog.set_level("DEBUG")
    site.control("fault", kind="status", status=500, path="/query")
    sync()
    token = site.env["NOTION_TOKEN"]
    assert token not in caplog.text
    assert notion.tables_with(token) == set()


def test_a_document_that_does_not_fit_is_quarantined_and_the_others_are_loaded(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = workspace(seed=41)
    original = client.NotionClient.children

    def spoiled(self: client.NotionClient, block_id: str) -> Any:
        found = original(self, block_id)
        return [{**block, "type": None, "id": None} if block["type"] == "heading_2" else block for block in found]

    monkeypatch.setattr(client.NotionClient, "children", spoiled)
    monkeypatch.setattr("impulsum_pipelines.sources.notion.rows.str", _no_none, raising=False)
    sync()
    quarantined = one("select count(*) from raw.quarantine where stream = 'blocks'")
    assert quarantined > 0
    assert len(alive("blocks")) == len(site.control("notion/truth")["blocks"]) - quarantined


def _no_none(value: object) -> str:
    if value is None:
        raise TypeError("an id is missing")
    return str(value)


def test_the_probe_says_who_we_are_and_what_is_shared(workspace: Start) -> None:
    workspace(seed=42)
    tried = dict(probe_source("notion", load_settings()))
    assert tried["integration"] == "delivery-data, workspace Delivery"
    assert tried["shared"] == "4 data sources and 14 pages found by search"
    assert set(tried) == {"integration", "shared", "users", "comments"}


def test_a_source_without_its_token_is_off_and_says_what_to_set(
    workspace: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace(seed=43)
    monkeypatch.delenv("NOTION_TOKEN")
    with pytest.raises(ImpulsumError, match="NOTION_TOKEN is not set"):
        sync()
