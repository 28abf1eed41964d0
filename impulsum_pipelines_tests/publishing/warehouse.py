"""Small warehouses as dbt leaves them, made by hand, so that publishing is tested without dbt."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.settings import Settings

BUILT_AT = datetime(2026, 11, 1, 2, 15, tzinfo=UTC)


def settings_at(root: Path, *, keep: int = 5, lock_seconds: float = 30) -> Settings:
    return Settings(impulsum_home=root, impulsum_keep_versions=keep, impulsum_lock_seconds=lock_seconds)


def build(root: Path, generation: int = 1, *, rows: int = 3) -> None:
    """Build a new warehouse; every row of every mart has the number of its generation."""
    home = Home.of(settings_at(root))
    home.root.mkdir(parents=True, exist_ok=True)
    with home.writing("warehouse"), connect(home.warehouse, read_only=False) as connection:
        connection.execute(
            f"""
            create schema if not exists audit;
            create or replace table audit.invocations
                (invocation_id varchar, started_at timestamptz, finished_at timestamptz, command varchar);
            create or replace table audit.node_results
                (unique_id varchar primary key, status varchar, invocation_id varchar, finished_at timestamptz,
                 message varchar);
            insert into audit.invocations values
                ('one', '{BUILT_AT}'::timestamptz - interval 1 minute, '{BUILT_AT}', 'build');
            insert into audit.node_results values
                ('model.impulsum.sprint_velocity', 'success', 'one', '{BUILT_AT}', null),
                ('test.impulsum.unique_issues_id.0a1b2c', 'pass', 'one', '{BUILT_AT}', null),
                ('test.impulsum.drift.0a1b2c', 'warn', 'one', '{BUILT_AT}', null);

            create schema if not exists staging;
            create or replace table staging.stg_jira__issues as select 1 as id;
            create schema if not exists core;
            create or replace table core.issues as
                select i::varchar as id, {generation} as generation from range({rows}) t(i);
            comment on table core.issues is 'One row per issue; it''s alive or not.';
            comment on column core.issues.id is 'Jira''s stable id.';
            create schema if not exists velocity;
            create or replace table velocity.sprint_velocity as
                select i::varchar as sprint_id, {generation} as generation,
                    10.500::decimal(18, 3) as committed_points, 3::decimal(18, 3) as added_points,
                    2::decimal(18, 3) as removed_points, -1::decimal(18, 3) as reestimated_points,
                    10.500::decimal(18, 3) as final_points,
                    4 as committed_issues, 2 as added_issues, 1 as removed_issues, 5 as final_issues
                from range({rows}) t(i);
            """
        )


def corrupt(root: Path, sql: str) -> None:
    with connect(Home.of(settings_at(root)).warehouse, read_only=False) as connection:
        connection.execute(sql)


def generations(path: Path) -> set[tuple[int, int]]:
    """The generations that one connection sees in both marts, table by table."""
    with connect(path, read_only=True) as connection:
        return {
            connection.execute(f"select min(generation), max(generation) from {table}").fetchall()[0]
            for table in ("core.issues", "velocity.sprint_velocity")
        }
