"""The dbt sources of Notion say what its raw tables are, and each has its staging model."""

from __future__ import annotations

from impulsum_pipelines.loading.raw import METADATA_TABLES
from impulsum_pipelines.sources.notion.tables import TABLES
from impulsum_pipelines_tests.places import ROOT

STAGING = ROOT / "dbt_project" / "models" / "staging" / "notion"
SQL_TYPES = {
    "text": "varchar", "json": "json", "bool": "boolean", "int": "bigint", "double": "double",
    "timestamp": "timestamptz", "date": "date",
}  # fmt: skip


def test_sources_equal_the_declared_tables() -> None:
    import yaml

    (source,) = yaml.safe_load((STAGING / "_notion__sources.yml").read_text())["sources"]
    described = {table["name"]: table for table in source["tables"]}
    assert set(described) == {table.name for table in TABLES} | set(METADATA_TABLES) - {"quarantine"}
    for table in TABLES:
        assert described[table.name]["description"] == table.description
        assert described[table.name]["columns"] == [
            {"name": column.name, "data_type": SQL_TYPES[column.type], "description": column.description}
            for column in table.all_columns
        ]
    for name, table in described.items():
        assert table["config"] == {"meta": {"dagster": {"asset_key": ["notion", name]}}}
        assert (STAGING / f"stg_notion__{name}.sql").exists()
