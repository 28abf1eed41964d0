"""The partitions of the raw tables: they begin on the day before the first pull, and none of them looks missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
import time_machine

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading.assets import build_source_assets
from impulsum_pipelines.loading.partitions import day_partitions, first_day, keep_first_day, reading
from impulsum_pipelines.loading.raw import ensure_tables
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.conftest import SandboxFactory

[TEMPO] = [source for source in SOURCES if source.name == "tempo"]
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def midday() -> Iterator[None]:
    """Every test runs at the same time of the same day."""
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def home() -> Home:
    home = Home.of(load_settings())
    home.root.mkdir(parents=True)
    return home


def test_after_the_first_pull_no_day_is_missing(sandbox: SandboxFactory, light_instance: dg.DagsterInstance) -> None:
    """The pull reads a year of history: an event for each day and table would take minutes."""
    sandbox(seed=4, issues=20, now=NOW.isoformat())
    source = build_source_assets(TEMPO, load_settings())
    assert dg.materialize([source], instance=light_instance, partition_key="2026-11-18").success

    assert Home.of(load_settings()).first_day.read_text() == "2026-11-17\n"
    shown = day_partitions(load_settings()).get_partition_keys()
    assert shown == ["2026-11-17", "2026-11-18"]
    for table in tables("tempo"):
        if table.partitioned:
            key = dg.AssetKey(["tempo", table.name])
            assert light_instance.get_materialized_partitions(key) == set(shown)
            records = light_instance.fetch_materializations(key, limit=9).records
            assert len(records) == 2, "the pull's own event, and one for all days before it"


def test_days_begin_at_the_first_pull_that_is_stored(home: Home) -> None:
    """As in a home that is older than the file."""
    assert first_day(load_settings()) == date(2026, 11, 17), "yesterday, while nothing is stored"
    ensure_tables(home, "tempo")
    with home.write_raw("tempo") as raw:
        keep_first_day(home, raw)
        assert not home.first_day.exists(), "no pull is complete"
        raw.execute(
            "insert into raw.syncs (sync_id, mode, status, started_at) values "
            "('a', 'live', 'incomplete', '2026-03-01 00:30:00+00'), ('b', 'window', 'done', '2026-03-02 00:30:00+00'), "
            "('c', 'live', 'done', '2026-03-03 00:30:00+00'), ('d', 'live', 'done', '2026-03-04 00:30:00+00')"
        )
        keep_first_day(home, raw)
        assert home.first_day.read_text() == "2026-03-02\n"
        raw.execute("delete from raw.syncs")
        keep_first_day(home, raw)
    assert home.first_day.read_text() == "2026-03-02\n", "it never moves"


@pytest.mark.parametrize(
    ("start", "begins"), [(None, date(2026, 3, 2)), ("2020-01-01", date(2026, 3, 2)), ("2026-06-01", date(2026, 6, 1))]
)
def test_days_never_begin_before_what_is_pulled(
    home: Home, monkeypatch: pytest.MonkeyPatch, start: str | None, begins: date
) -> None:
    home.first_day.write_text("2026-03-02\n")
    if start:
        monkeypatch.setenv("IMPULSUM_START_DATE", start)
    assert first_day(load_settings()) == begins


def test_a_file_without_a_day_says_what_to_do(home: Home) -> None:
    home.first_day.write_text("soon\n")
    with pytest.raises(ImpulsumError, match="holds no day") as refused:
        first_day(load_settings())
    assert refused.value.category is Category.CONFIGURATION
    assert "2026-11-01" in refused.value.next_step


def test_days_are_read_again_as_partitions_or_by_configuration(home: Home) -> None:
    home.first_day.write_text("2026-11-10\n")
    first = date(2026, 11, 10)
    tags, config = reading(first, first + timedelta(days=2), load_settings())
    assert sorted(tags.values()) == ["2026-11-10", "2026-11-12"] and config == {}
    tags, config = reading(first - timedelta(days=1), first, load_settings())
    assert config == {"since": "2026-11-09", "until": "2026-11-10"}
    assert tags == {"impulsum/days": "2026-11-09 to 2026-11-10"}
