"""A source as assets: which pull a run makes, what it records, and what becomes of errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import time_machine

from impulsum_pipelines.base.failing import RETRIES
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading import assets
from impulsum_pipelines.loading.raw import ensure_tables
from impulsum_pipelines.loading.result import LoadResult, RowCounts
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.base.sync import Stream, Window
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES

[JIRA] = [source for source in SOURCES if source.name == "jira"]
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)

RESULT = LoadResult(
    sync_id="s1",
    source="jira",
    mode="live",
    census=False,
    window=None,
    watermark_from=NOW - timedelta(minutes=10),
    watermark_to=NOW,
    started_at=NOW,
    finished_at=NOW,
    rows={"issues": RowCounts(new=3, unchanged=1)},
    streams={"issues": Stream("complete", 1, 4)},
    requests=4,
    limit_waits=0,
    limit_wait_seconds=0.0,
    extract_seconds=1.0,
    normalize_seconds=0.5,
    load_seconds=0.25,
)


@pytest.fixture(autouse=True)
def midday() -> Iterator[None]:
    """Every test runs at the same time of the same day."""
    with time_machine.travel(NOW):
        yield


class Pulls:
    """Replaces ``run_load``: remembers each call, and raises the errors it was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[Window | None, bool, set[str] | None]] = []
        self.errors: list[ImpulsumError] = []
        self.result = RESULT

    def __call__(self, source: str, settings: Any, **asked: Any) -> LoadResult:
        chosen = asked["tables"]
        self.asked.append((asked["window"], asked["census"], None if chosen is None else set(chosen)))
        if self.errors:
            raise self.errors.pop(0)
        return replace(self.result, window=asked["window"], census=asked["census"])


@pytest.fixture
def pulls(monkeypatch: pytest.MonkeyPatch) -> Pulls:
    """Jira is on, its raw file exists and is empty, its partitions began weeks ago, and pulls are only remembered."""
    for name, value in (("BASE_URL", "https://a.invalid"), ("EMAIL", "a@b.invalid"), ("API_TOKEN", "t")):
        monkeypatch.setenv(f"JIRA_{name}", value)
    home = Home.of(load_settings())
    ensure_tables(home, "jira")
    home.first_day.write_text("2026-11-01\n")
    pulls = Pulls()
    monkeypatch.setattr(assets, "run_load", pulls)
    return pulls


@pytest.fixture
def instance(light_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    return light_instance


def materialize(instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
    source = assets.build_source_assets(JIRA, load_settings())
    return dg.materialize([source], instance=instance, raise_on_error=False, **options)


def span(first: datetime, last: datetime) -> dict[str, str]:
    return {
        "dagster/asset_partition_range_start": f"{first:%Y-%m-%d}",
        "dagster/asset_partition_range_end": f"{last:%Y-%m-%d}",
    }


@pytest.mark.parametrize(
    ("options", "windows", "days"),
    [
        ({}, [None], []),
        ({"partition_key": f"{TODAY:%Y-%m-%d}"}, [None], [TODAY]),
        ({"partition_key": f"{TODAY - DAY:%Y-%m-%d}"}, [Window(TODAY - DAY, TODAY)], [TODAY - DAY]),
        (
            {"tags": span(TODAY - 3 * DAY, TODAY - 2 * DAY)},
            [Window(TODAY - 3 * DAY, TODAY - DAY)],
            [TODAY - 3 * DAY, TODAY - 2 * DAY],
        ),
        ({"tags": span(TODAY - DAY, TODAY)}, [Window(TODAY - DAY, TODAY), None], [TODAY - DAY, TODAY]),
    ],
    ids=["no-partition", "today", "closed-day", "closed-range", "range-to-today"],
)
def test_partitions_decide_the_pull(
    pulls: Pulls,
    instance: dg.DagsterInstance,
    options: dict[str, Any],
    windows: list[Window | None],
    days: list[datetime],
) -> None:
    assert materialize(instance, **options).success
    assert [window for window, _, _ in pulls.asked] == windows
    recorded = instance.get_materialized_partitions(dg.AssetKey(["jira", "issues"]))
    assert recorded == {f"{day:%Y-%m-%d}" for day in days}


def test_days_before_the_partitions_are_read_by_configuration(pulls: Pulls, instance: dg.DagsterInstance) -> None:
    config = {"ops": {"jira_pull": {"config": {"since": "2026-03-01", "until": "2026-05-31"}}}}
    assert materialize(instance, run_config=config).success
    assert [window for window, _, _ in pulls.asked] == [
        Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
    ]
    assert not instance.get_materialized_partitions(dg.AssetKey(["jira", "issues"]))


@pytest.mark.parametrize(
    "days",
    [{"since": "2026-03-01"}, {"since": "2026-03-02", "until": "2026-03-01"}, {"since": "March", "until": "May"}],
)
def test_days_that_are_no_range_are_refused(pulls: Pulls, instance: dg.DagsterInstance, days: dict[str, str]) -> None:
    result = materialize(instance, run_config={"ops": {"jira_pull": {"config": days}}})
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "no range of days" in str(failed.step_failure_data.user_failure_data)
    assert pulls.asked == []


def test_only_the_live_pull_takes_the_census(pulls: Pulls, instance: dg.DagsterInstance) -> None:
    config = {"ops": {"jira_pull": {"config": {"census": True}}}}
    assert materialize(instance, tags=span(TODAY - DAY, TODAY), run_config=config).success
    assert [census for _, census, _ in pulls.asked] == [False, True]


def test_a_subset_pulls_only_its_tables(pulls: Pulls, instance: dg.DagsterInstance) -> None:
    chosen = [dg.AssetKey(["jira", "boards"]), dg.AssetKey(["jira", "sprints"])]
    result = materialize(instance, selection=dg.AssetSelection.assets(*chosen))
    assert pulls.asked == [(None, False, {"boards", "sprints"})]
    assert {e.asset_key for e in result.get_asset_materialization_events()} >= set(chosen)


def test_a_pull_records_what_it_did(pulls: Pulls, instance: dg.DagsterInstance) -> None:
    with Home.of(load_settings()).write_raw("jira") as connection:
        connection.execute("insert into raw.issues (id, deleted_at) values ('1', null), ('2', null), ('3', now())")
    result = materialize(instance)
    recorded = {m.asset_key.path[-1]: m.metadata for m in result.asset_materializations_for_node("jira_pull")}
    assert {"syncs", "census", *(table.name for table in tables("jira"))} <= set(recorded)
    values = {name: value.value for name, value in recorded["issues"].items()}
    assert values["dagster/row_count"] == 2
    assert values["rows new"] == 3
    assert values["stream ended"] == "complete"
    assert values["watermark to"] == pytest.approx(NOW.timestamp())
    assert values["requests"] == 4


def test_a_pull_after_an_outage_fills_the_days_that_it_caught_up(pulls: Pulls, instance: dg.DagsterInstance) -> None:
    pulls.result = replace(RESULT, watermark_from=TODAY - 3 * DAY + timedelta(hours=18))
    assert materialize(instance, partition_key=f"{TODAY:%Y-%m-%d}").success
    recorded = instance.get_materialized_partitions(dg.AssetKey(["jira", "issues"]))
    assert recorded == {f"{TODAY - passed * DAY:%Y-%m-%d}" for passed in range(4)}
    assert not instance.get_materialized_partitions(dg.AssetKey(["jira", "users"]))


def test_a_source_that_is_off_materializes_nothing(
    pulls: Pulls, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JIRA_API_TOKEN")
    result = materialize(instance)
    assert result.success
    assert pulls.asked == []
    assert result.get_asset_materialization_events() == []


def test_a_limit_is_waited_for(pulls: Pulls, instance: dg.DagsterInstance) -> None:
    limit = ImpulsumError(Category.RATE_LIMIT, "Too many requests", next_step="wait.", retry_after=0)
    pulls.errors = [limit, limit]
    assert materialize(instance).success
    assert len(pulls.asked) == 3


def test_a_limit_is_not_waited_for_for_ever(pulls: Pulls, instance: dg.DagsterInstance) -> None:
    limit = ImpulsumError(Category.RATE_LIMIT, "Too many requests", next_step="wait.", retry_after=0)
    pulls.errors = [limit] * 9
    result = materialize(instance)
    assert not result.success
    assert len(pulls.asked) == 1 + RETRIES


def test_a_wrong_token_fails_at_once_and_says_what_to_do(pulls: Pulls, instance: dg.DagsterInstance) -> None:
    pulls.errors = [ImpulsumError(Category.AUTHENTICATION, "The token is refused", next_step="make a new one.")]
    result = materialize(instance)
    assert not result.success
    assert len(pulls.asked) == 1
    [failed] = [event for event in result.all_events if event.is_step_failure]
    details = failed.step_failure_data.user_failure_data
    assert details is not None
    assert details.description is not None
    assert "make a new one." in details.description
    assert details.metadata["category"].value == "authentication"


@pytest.mark.parametrize(
    ("error", "tried", "wait"),
    [
        (ImpulsumError(Category.RATE_LIMIT, "x", next_step="y", retry_after=7), 0, 7),
        (ImpulsumError(Category.RATE_LIMIT, "x", next_step="y", retry_after=86_400), 0, 900),
        (ImpulsumError(Category.NETWORK, "x", next_step="y"), 0, 30),
        (ImpulsumError(Category.SOURCE_OUTAGE, "x", next_step="y"), 2, 120),
    ],
    ids=["as-asked", "bounded", "first-wait", "growing"],
)
def test_waits_before_another_try(error: ImpulsumError, tried: int, wait: float) -> None:
    asked = assets.failure(error, tried)
    assert isinstance(asked, dg.RetryRequested)
    assert asked.seconds_to_wait == wait


def test_assets_say_what_they_are() -> None:
    source = assets.build_source_assets(JIRA, load_settings())
    declared = {table.name: table for table in tables("jira")}
    assert {spec.key.path[-1] for spec in source.specs} == set(declared)
    for spec in source.specs:
        table = declared[spec.key.path[-1]]
        schema = spec.metadata["dagster/column_schema"]
        assert spec.group_name == "jira" and spec.description is not None
        assert spec.description.startswith(table.description)
        added = spec.description.removeprefix(table.description)
        assert ("first partition" in added) == bool(added) == table.partitioned
        assert spec.owners
        assert {"dlt", "duckdb", "jira"} <= spec.kinds
        assert [column.name for column in schema.columns] == [column.name for column in table.all_columns]
        assert all(column.description for column in schema.columns)
        assert (spec.partitions_def is not None) is table.partitioned
        assert spec.freshness_policy is not None
