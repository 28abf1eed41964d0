"""The dbt sources say what the raw tables are: same tables, columns, types and words as their declarations."""

from __future__ import annotations

from impulsum_pipelines.sources.slack.tables import TABLES
from impulsum_pipelines_tests.marts.velocity.warehouse import PROJECT
from impulsum_pipelines_tests.marts.velocity.world import SQL_TYPES

STAGING = PROJECT / "models" / "staging" / "slack"


def _read(name: str) -> dict[str, object]:
    import yaml

    return yaml.safe_load((STAGING / name).read_text())


def test_sources_equal_the_declared_tables() -> None:
    (source,) = _read("_slack__sources.yml")["sources"]
    described = {table["name"]: table for table in source["tables"]}
    assert set(described) == {table.name for table in TABLES} | {"syncs", "census"}
    for table in TABLES:
        assert described[table.name]["description"] == table.description
        assert described[table.name]["columns"] == [
            {"name": column.name, "data_type": SQL_TYPES[column.type], "description": column.description}
            for column in table.all_columns
        ]
    for name, table in described.items():
        assert table["config"] == {"meta": {"dagster": {"asset_key": ["slack", name]}}}
        assert (STAGING / f"stg_slack__{name}.sql").exists()


def test_each_staging_model_is_described_and_has_a_key() -> None:
    models = {model["name"]: model for model in _read("_slack__models.yml")["models"]}
    assert set(models) == {path.stem for path in STAGING.glob("*.sql")}
    for table in TABLES:
        key = models[f"stg_slack__{table.name}"]["columns"][0]
        assert key["data_tests"] == ["unique", "not_null"]
