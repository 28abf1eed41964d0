"""The sync history: every sync from start to end, for each way to start it and each way to fail."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from impulsum_pipelines.cli import main
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading import run_load as loading
from impulsum_pipelines.loading.history import STARTED_BY_TAG, Origin, recent
from impulsum_pipelines.loading.result import LoadResult
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.base import http
from impulsum_pipelines.sources.base.sync import Sync, Window
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.conftest import SandboxFactory, on_sqlite
from impulsum_pipelines_tests.sources.pulls import Pulls
from impulsum_pipelines_tests.sources.victims import kill

pytestmark = pytest.mark.usefixtures("quick_loads")

NOW = "2026-11-01T12:00:00Z"
JIRA = Pulls("jira")


def pull(**options: Any) -> LoadResult:
    return JIRA.sync(**options)


def test_a_sync_is_recorded_with_its_figures_and_its_scopes(ops_settings: Settings, sandbox: SandboxFactory) -> None:
    sandbox(issues=40, now=NOW)
    result = pull(census=True, origin=Origin("schedule", "run-1"))
    [sync] = recent(load_settings())
    assert (sync["sync_id"], sync["source"], sync["status"]) == (result.sync_id, "jira", "done")
    assert (sync["started_by"], sync["run_id"], sync["mode"], sync["census"]) == ("schedule", "run-1", "live", True)
    assert (sync["started_at"], sync["finished_at"]) == (result.started_at, result.finished_at)
    assert sync["requests"] == result.requests > 0
    assert sync["rows"]["issues"] == {"new": 40, "changed": 0, "unchanged": 0, "deleted": 0, "unreachable": 0}
    assert sync["error"] is None

    projects = dict(JIRA.held("select id, key from raw.projects"))
    assert {scope["scope"]: scope["name"] for scope in sync["scopes"]} == projects
    for table in ("issues", "versions", "comments", "changes", "projects"):
        in_scopes = sum(scope["rows"].get(table, 0) for scope in sync["scopes"])
        assert in_scopes == sync["rows"][table]["new"], table


def test_a_scope_counts_only_what_this_sync_wrote(ops_settings: Settings, sandbox: SandboxFactory) -> None:
    site = sandbox(issues=40, now=NOW)
    pull()
    site.control("clock", advance_seconds=3600)
    [(issue, project)] = JIRA.held("select key, project_id from raw.issues order by key limit 1")
    site.control("add_comment", issue=issue, text="worse than we thought")
    pull()
    first, *_ = recent(load_settings())
    assert [scope["scope"] for scope in first["scopes"]] == [project]
    assert first["scopes"][0]["rows"]["comments"] == 1
    pull()
    assert recent(load_settings())[0]["scopes"] == []


def test_a_window_is_recorded_with_its_span(ops_settings: Settings, sandbox: SandboxFactory) -> None:
    sandbox(issues=12, now=NOW)
    window = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC))
    pull(window=window)
    [sync] = recent(load_settings())
    assert (sync["mode"], sync["window_start"], sync["window_end"]) == ("window", window.start, window.end)
    assert sync["started_by"] == "manual"


def test_a_failure_has_its_category_and_no_secret(
    ops_settings: Settings, sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(issues=12, now=NOW)
    monkeypatch.setenv("JIRA_API_TOKEN", "wrong-token-of-somebody")
    with pytest.raises(ImpulsumError):
        pull()
    [sync] = recent(load_settings())
    assert (sync["status"], sync["error_category"]) == ("failed", "authentication")
    assert sync["finished_at"] is not None
    assert sync["rows"] is None


def test_the_message_of_a_library_is_sanitized(
    ops_settings: Settings, sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(issues=12, now=NOW)

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError(
            "GET https://bot:hunter22@jira.invalid with Authorization: Basic Ym90Omh1bnRlcjIy failed\x00"
        )

    monkeypatch.setattr(loading, "mark_gone", crash)
    with pytest.raises(RuntimeError):
        pull()
    [sync] = recent(load_settings())
    assert (sync["status"], sync["error_category"]) == ("failed", "internal")
    assert sync["error"] == "RuntimeError: GET https://***@jira.invalid with Authorization: ***"


def test_a_stream_that_ended_early_leaves_figures_and_a_reason(
    ops_settings: Settings, sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(issues=12, now=NOW)
    reason = ImpulsumError(Category.SOURCE_OUTAGE, "The site went away", next_step="nothing.")
    conclude = Sync.conclude
    monkeypatch.setattr(Sync, "conclude", lambda self: (self.fail(reason), conclude(self)))
    with pytest.raises(ImpulsumError, match="went away"):
        pull()
    [sync] = recent(load_settings())
    assert (sync["status"], sync["error_category"]) == ("incomplete", "source outage")
    assert sync["rows"]["issues"]["new"] == 12
    assert sync["scopes"]


def test_the_next_sync_marks_a_killed_one_as_cut_off(ops_settings: Settings, sandbox: SandboxFactory) -> None:
    sandbox(issues=12, now=NOW)
    kill("jira", "load")
    [left] = recent(load_settings())
    assert (left["status"], left["finished_at"]) == ("running", None)
    pull()
    assert [sync["status"] for sync in recent(load_settings())] == ["done", "cut off"]


def test_an_interrupted_sync_says_so_itself(
    ops_settings: Settings, sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(issues=12, now=NOW)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "mark_gone", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pull()
    assert [sync["status"] for sync in recent(load_settings())] == ["cut off"]


def test_syncs_of_other_sources_are_left_running(ops_settings: Settings, sandbox: SandboxFactory) -> None:
    sandbox(issues=12, now=NOW)
    kill("jira", "load")
    run_load("tempo", load_settings())
    assert {sync["source"]: sync["status"] for sync in recent(load_settings())} == {
        "jira": "running",
        "tempo": "done",
    }


def test_a_store_that_cannot_be_reached_stops_no_pull(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox(issues=12, now=NOW)
    monkeypatch.setenv("IMPULSUM_OPS_URL", "postgresql+psycopg2://ops:hunter22@127.0.0.1:1/ops")
    with caplog.at_level(logging.WARNING):
        result = pull()
    assert result.rows["issues"].new == 12
    [warning] = [record.getMessage() for record in caplog.records if "history" in record.getMessage()]
    assert result.sync_id in warning
    assert "hunter22" not in warning


@on_sqlite
def test_a_store_that_comes_back_has_the_whole_sync(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox(issues=12, now=NOW)
    home = load_settings().home
    home.mkdir(parents=True)
    (home / "ops.sqlite").mkdir()  # no file can be opened there

    def repaired(stage: str, done: int, total: int | None) -> None:
        if stage == "load" and (home / "ops.sqlite").is_dir():
            (home / "ops.sqlite").rmdir()

    result = pull(progress=repaired)
    [sync] = recent(load_settings())
    assert (sync["sync_id"], sync["status"], sync["started_at"]) == (result.sync_id, "done", result.started_at)


@pytest.mark.parametrize(
    ("tags", "started_by"),
    [
        ({}, "manual"),
        ({"dagster/schedule_name": "jira_live"}, "schedule"),
        ({"dagster/sensor_name": "inbox"}, "sensor"),
        ({"dagster/from_automation_condition": "true"}, "sensor"),
        ({"dagster/backfill": "abc", "dagster/schedule_name": "gaps"}, "backfill"),
        ({STARTED_BY_TAG: "shell"}, "shell"),
    ],
)
def test_the_tags_of_a_run_say_who_started_it(tags: dict[str, str], started_by: str) -> None:
    assert Origin.of_run("r", tags) == Origin(started_by, "r")


@pytest.mark.parametrize("source", [source.name for source in SOURCES])
def test_every_source_counts_its_scopes(source: str, sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BACKOFF", 0.001)
    sandbox(issues=12, now=NOW)
    since = datetime.fromisoformat(NOW).date() - timedelta(days=2)
    monkeypatch.setenv("IMPULSUM_START_DATE", since.isoformat())
    Pulls(source).sync()
    [sync] = recent(load_settings(), source=source)
    assert bool(sync["scopes"]) is (source != "fireflies")
    assert any(scope["name"] for scope in sync["scopes"]) is bool(sync["scopes"])  # a direct message has no name


def test_the_command_shows_the_newest_syncs(
    sandbox: SandboxFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(issues=12, now=NOW)
    pull(origin=Origin("shell"))
    pull()
    run_load("tempo", load_settings())

    assert impulsum("history", "jira") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("started (UTC)")
    assert ["shell" in line for line in lines] == [False, True]

    assert impulsum("history", "--limit", "1", "--json") == 0
    [shown] = json.loads(capsys.readouterr().out)
    assert (shown["source"], shown["status"]) == ("tempo", "done")

    assert impulsum("history", "gitlab") == 2
    assert "choose one of" in capsys.readouterr().err


def impulsum(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(left.value.code or 0)
