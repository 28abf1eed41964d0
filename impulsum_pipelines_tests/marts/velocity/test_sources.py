"""The dbt sources say what the raw tables are: same tables, columns, types and words as their declarations."""

from __future__ import annotations

from impulsum_pipelines_tests.marts.velocity.warehouse import PROJECT
from impulsum_pipelines_tests.marts.velocity.world import SQL_TYPES, TABLES

STAGING = PROJECT / "models" / "staging" / "jira"
OF_THE_LOADER = {"syncs", "census"}


def _sources() -> dict[str, dict[str, object]]:
    import yaml

    (source,) = yaml.safe_load((STAGING / "_jira__sources.yml").read_text())["sources"]
    return {table["name"]: table for table in source["tables"]}


def test_sources_equal_the_declared_tables() -> None:
    sources = _sources()
    assert set(sources) == {table.name for table in TABLES} | OF_THE_LOADER
    for table in TABLES:
        described = sources[table.name]
        assert described["description"] == table.description
        assert described["columns"] == [
            {"name": column.name, "data_type": SQL_TYPES[column.type], "description": column.description}
            for column in table.all_columns
        ]


def test_each_source_is_an_asset_and_has_its_staging_model() -> None:
    for name, source in _sources().items():
        assert source["config"] == {"meta": {"dagster": {"asset_key": ["jira", name]}}}
        assert (STAGING / f"stg_jira__{name}.sql").exists()
