"""Publishing: the published file, the builds that are refused, and rollback."""

from __future__ import annotations

from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.publishing.publish import current_release, kept_versions, publish, rollback
from impulsum_pipelines_tests.publishing import warehouse


def test_published_file_contains_only_the_marts(tmp_path: Path) -> None:
    warehouse.build(tmp_path, rows=7)
    result = publish(warehouse.settings_at(tmp_path))

    assert result.path == tmp_path / "impulsum.duckdb"
    assert result.tables == {"core.issues": 7, "velocity.sprint_velocity": 7}
    assert result.bytes == result.path.stat().st_size
    with connect(result.path, read_only=True) as connection:
        schemas = connection.execute("select distinct schema_name from duckdb_tables() order by all").fetchall()
        types = connection.execute("select distinct typeof(final_points) from velocity.sprint_velocity").fetchall()
    assert schemas == [("about",), ("core",), ("velocity",)]
    assert types == [("DECIMAL(18,3)",)]


def test_documentation_is_published_with_the_tables(tmp_path: Path) -> None:
    warehouse.build(tmp_path)
    path = publish(warehouse.settings_at(tmp_path)).path
    with connect(path, read_only=True) as connection:
        table = connection.execute("select comment from duckdb_tables() where table_name = 'issues'").fetchall()
        column = connection.execute(
            "select comment from duckdb_columns() where table_name = 'issues' and column_name = 'id'"
        ).fetchall()
        bare = connection.execute(
            "select column_name from duckdb_columns() where schema_name = 'about' and comment is null"
        ).fetchall()
    assert table == [("One row per issue; it's alive or not.",)]
    assert column == [("Jira's stable id.",)]
    assert bare == []


def test_the_release_says_how_old_the_file_is(tmp_path: Path) -> None:
    warehouse.build(tmp_path)
    settings = warehouse.settings_at(tmp_path)
    assert current_release(settings) is None
    result = publish(settings)
    release = current_release(settings)
    assert release is not None
    assert (release.version, release.built_at, release.data_as_of) == (result.version, warehouse.BUILT_AT, None)
    assert release.built_at < release.published_at


def test_the_release_says_up_to_when_the_source_was_read(tmp_path: Path) -> None:
    warehouse.build(tmp_path)
    warehouse.corrupt(
        tmp_path,
        "create schema quality; create table quality.freshness as "
        "select 'jira' as source, timestamptz '2026-11-01 02:00:00+00' as read_until",
    )
    settings = warehouse.settings_at(tmp_path)
    publish(settings)
    release = current_release(settings)
    assert release is not None and release.data_as_of is not None
    assert release.data_as_of.isoformat() == "2026-11-01T02:00:00+00:00"


def test_no_other_file_is_left_beside_the_published_file(tmp_path: Path) -> None:
    warehouse.build(tmp_path)
    (tmp_path / "impulsum.duckdb.wal").write_bytes(b"of a tool that opened the old file for writing")
    publish(warehouse.settings_at(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "impulsum.duckdb",
        "locks",
        "versions",
        "warehouse.duckdb",
    ]
    assert len(list((tmp_path / "versions").iterdir())) == 1


def test_published_file_cannot_be_opened_for_writing_by_others(tmp_path: Path) -> None:
    warehouse.build(tmp_path)
    assert publish(warehouse.settings_at(tmp_path)).path.stat().st_mode & 0o222 == 0


REFUSALS = {
    "failed test": (
        "update audit.node_results set status = 'fail' where unique_id like 'test.impulsum.unique%'",
        "unique_issues_id: fail",
    ),
    "failed model": (
        "update audit.node_results set status = 'error' where unique_id like 'model.%'",
        "sprint_velocity: error",
    ),
    "skipped model": (
        "update audit.node_results set status = 'skipped' where unique_id like 'model.%'",
        "sprint_velocity: skipped",
    ),
    "build running or killed": (
        "insert into audit.invocations values ('two', timestamptz '2026-11-01 03:00:00+00', null, 'build')",
        "the build of 2026-11-01 03:00 UTC did not finish, and 3 models and tests have not been built since",
    ),
    "only partly built again after a kill": (
        (
            "insert into audit.invocations values ('two', timestamptz '2026-11-01 03:00:00+00', null, 'build'), "
            "('three', timestamptz '2026-11-01 04:00:00+00', timestamptz '2026-11-01 04:01:00+00', 'test'); "
            "update audit.node_results set finished_at = timestamptz '2026-11-01 04:01:00+00' where status = 'pass'"
        ),
        "2 models and tests have not been built since",
    ),
    "built in part": (
        (
            "delete from audit.node_results where unique_id not like 'model.%'; insert into audit.node_results values "
            "('model.impulsum.pages', 'never built', 'one', timestamptz '2026-11-01 02:15:00+00', null)"
        ),
        "the build is not complete: pages: never built.*run `impulsum build`",
    ),
    "never finished": ("update audit.invocations set finished_at = null", "no finished build"),
    "never built": ("drop table audit.invocations", "no finished build"),
    "points do not add up": (
        "update velocity.sprint_velocity set final_points = final_points + 0.001 where sprint_id = '1'",
        "velocity does not add up for sprint 1",
    ),
    "counts do not add up": (
        "update velocity.sprint_velocity set removed_issues = 0 where sprint_id = '2'",
        "velocity does not add up for sprint 2",
    ),
    "no marts": ("drop schema core cascade; drop schema velocity cascade", "has no marts"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_bad_build_is_refused_and_the_old_file_stays(tmp_path: Path, case: str) -> None:
    corruption, message = REFUSALS[case]
    settings = warehouse.settings_at(tmp_path)
    warehouse.build(tmp_path, generation=1)
    before = publish(settings)
    warehouse.build(tmp_path, generation=2)
    warehouse.corrupt(tmp_path, corruption)

    with pytest.raises(ImpulsumError, match=message) as caught:
        publish(settings)

    assert caught.value.category is Category.BAD_DATA
    assert "Next: " in str(caught.value)
    assert warehouse.generations(before.path) == {(1, 1)}
    assert [version.version for version in kept_versions(settings)] == [before.version]


def test_a_later_finished_build_repairs_a_killed_one(tmp_path: Path) -> None:
    warehouse.build(tmp_path)
    warehouse.corrupt(
        tmp_path,
        "insert into audit.invocations values ('zero', timestamptz '2026-10-31 02:00:00+00', null, 'build')",
    )
    assert publish(warehouse.settings_at(tmp_path)).tables


def test_points_of_a_team_without_estimates_are_null_and_add_up(tmp_path: Path) -> None:
    warehouse.build(tmp_path)
    warehouse.corrupt(
        tmp_path,
        "update velocity.sprint_velocity set committed_points = null, added_points = null, removed_points = null, "
        "reestimated_points = null, final_points = null",
    )
    assert publish(warehouse.settings_at(tmp_path)).tables


def test_without_a_warehouse_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImpulsumError, match="impulsum build"):
        publish(warehouse.settings_at(tmp_path))


def test_versions_are_kept_deleted_by_age_and_restored(tmp_path: Path) -> None:
    settings = warehouse.settings_at(tmp_path, keep=3)
    names = []
    for generation in range(1, 6):
        warehouse.build(tmp_path, generation)
        names.append(publish(settings).version)
    assert names == sorted(names)
    assert [version.version for version in kept_versions(settings)] == names[:1:-1]

    back = rollback(settings, names[2])
    path = Home.of(settings).published
    assert back.current
    assert warehouse.generations(path) == {(3, 3)}
    assert [version.version for version in kept_versions(settings) if version.current] == [names[2]]

    forward = publish(settings)
    assert warehouse.generations(path) == {(5, 5)}
    assert forward.version > names[-1]


def test_rollback_to_an_unknown_version_names_the_kept_ones(tmp_path: Path) -> None:
    settings = warehouse.settings_at(tmp_path)
    warehouse.build(tmp_path)
    known = publish(settings).version
    with pytest.raises(ImpulsumError, match=known) as caught:
        rollback(settings, "20200101T000000000Z")
    assert caught.value.category is Category.CONFIGURATION


def test_a_clock_that_was_set_back_does_not_reorder_versions(tmp_path: Path) -> None:
    settings = warehouse.settings_at(tmp_path, keep=1)
    warehouse.build(tmp_path)
    future = tmp_path / "versions" / "impulsum-29990101T000000000Z.duckdb"
    publish(settings).path.rename(future)
    result = publish(settings)
    assert result.version == "29990101T000000001Z"
    assert [version.version for version in kept_versions(settings)] == [result.version]


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = warehouse.settings_at(tmp_path)
    warehouse.build(tmp_path)
    before = publish(settings)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(ImpulsumError, match="No space left") as caught:
        publish(settings)
    assert caught.value.category is Category.INTERNAL
    assert [version.version for version in kept_versions(settings) if version.current] == [before.version]
