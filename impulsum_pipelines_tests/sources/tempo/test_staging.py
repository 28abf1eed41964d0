"""The dbt sources and staging models of Tempo are its declared tables: same names, columns, types and words."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.loading.raw import SQL_TYPES
from impulsum_pipelines.sources.tempo.tables import TABLES
from impulsum_pipelines_tests.places import ROOT

STAGING = ROOT / "dbt_project" / "models" / "staging" / "tempo"
OF_THE_LOADER = {"syncs", "census"}
TYPES = {name: {"TIMESTAMP WITH TIME ZONE": "timestamptz"}.get(sql, sql.lower()) for name, sql in SQL_TYPES.items()}


def _described(file: str, kind: str) -> list[dict[str, Any]]:
    import yaml

    found: list[dict[str, Any]] = yaml.safe_load((STAGING / file).read_text())[kind]
    return found


def test_sources_equal_the_declared_tables() -> None:
    [source] = _described("_tempo__sources.yml", "sources")
    sources = {table["name"]: table for table in source["tables"]}
    assert set(sources) == {table.name for table in TABLES} | OF_THE_LOADER
    for table in TABLES:
        described = sources[table.name]
        assert described["description"] == table.description
        assert described["config"] == {"meta": {"dagster": {"asset_key": ["tempo", table.name]}}}
        assert described["data_tests"] == [{"primary_key": {"arguments": {"columns": ["id"]}}}]
        assert described["columns"] == [
            {"name": column.name, "data_type": TYPES[column.type], "description": column.description}
            for column in table.all_columns
        ]


def test_each_table_has_a_staging_model_with_all_of_its_columns() -> None:
    models = {model["name"]: model for model in _described("_tempo__models.yml", "models")}
    assert set(models) == {f"stg_tempo__{name}" for name in (*(table.name for table in TABLES), *OF_THE_LOADER)}
    for table in TABLES:
        model = models[f"stg_tempo__{table.name}"]
        assert model["description"] == table.description
        sql = (STAGING / f"stg_tempo__{table.name}.sql").read_text()
        for column in (*table.columns, *(c for c in table.all_columns if c.name in {"site", "deleted_at"})):
            assert f"        {column.name}" in sql
        # One for each column of the table, of the payload neither the document nor its hash, and is_deleted.
        assert len(model["columns"]) == len(table.all_columns) - 2 + 1
        assert all(column["description"] for column in model["columns"])
