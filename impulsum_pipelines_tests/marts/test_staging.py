"""dbt's descriptions of raw tables, and of staging columns that are passed on, are those of the declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pytest
import yaml

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.raw import GRAINS, KEYS, METADATA_TABLES, ensure_tables
from impulsum_pipelines.marts.manifest import PROJECT, fresh_manifest
from impulsum_pipelines.marts.sources import sources_file, sources_text
from impulsum_pipelines.marts.specs import mart_specs
from impulsum_pipelines.marts.translation import describe_columns
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES, Source

SHARED_SQL = (PROJECT / "macros" / "metadata_tables.sql").read_text()

of_each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def described_models(source: Source) -> dict[str, dict[str, Any]]:
    """The staging models of a source as the project describes them, by name."""
    models = yaml.safe_load((sources_file(source).parent / f"_{source.name}__models.yml").read_text())["models"]
    return {model["name"]: model for model in models}


def declared(source: Source) -> dict[str, str]:
    """The raw tables of a source that dbt reads, each with its grain."""
    return {table.name: table.description for table in tables(source.name)} | {name: GRAINS[name] for name in KEYS}


def rendered(model: Path) -> str:
    """The SQL of a staging model, on raw files that are attached under their names."""
    template = jinja2.Environment(autoescape=False).from_string(SHARED_SQL + model.read_text())  # noqa: S701
    return template.render(source=lambda source, table: f"{source}.raw.{table}")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The raw files of all sources, empty."""
    home = Home(tmp_path_factory.mktemp("raw"))
    with duckdb.connect() as connection:
        for source in SOURCES:
            ensure_tables(home, source.name)
            connection.execute(f"attach '{home.raw(source.name)}' as {source.name} (read_only)")
        yield connection


@cache
def manifest() -> dict[str, Any]:
    """The manifest of the project, with the columns described."""
    parsed = fresh_manifest()
    describe_columns(parsed)
    return parsed


@of_each_source
def test_the_dbt_source_file_is_up_to_date(source: Source) -> None:
    assert sources_file(source).read_text() == sources_text(source), "run `make sources`"


@of_each_source
def test_the_dbt_source_file_has_the_declared_tables_and_columns(source: Source) -> None:
    (read,) = yaml.safe_load(sources_text(source))["sources"]
    assert [table["name"] for table in read["tables"]] == list(declared(source))
    columns = {table.name: table.all_columns for table in tables(source.name)} | METADATA_TABLES
    for table in read["tables"]:
        assert table["description"] == declared(source)[table["name"]]
        assert table["config"] == {"meta": {"dagster": {"asset_key": [source.name, table["name"]]}}}
        assert [(c["name"], c["description"]) for c in table["columns"]] == [
            (column.name, column.description) for column in columns[table["name"]]
        ]


@of_each_source
def test_each_raw_table_has_a_staging_model_of_the_same_grain(source: Source) -> None:
    models = described_models(source)
    assert set(models) == {path.stem for path in sources_file(source).parent.glob("*.sql")}
    for table, description in declared(source).items():
        # The rest of the sentence may describe the payload, which is not passed on.
        grain = re.split("[;:.]", description)[0]
        assert models[f"stg_{source.name}__{table}"]["description"].startswith(grain)


@of_each_source
def test_each_staging_model_passes_the_key_on(source: Source) -> None:
    (read,) = yaml.safe_load(sources_file(source).read_text())["sources"]
    for table in read["tables"]:
        [test] = table["data_tests"]
        sql = rendered(sources_file(source).parent / f"stg_{source.name}__{table['name']}.sql")
        for column in test["primary_key"]["arguments"]["columns"]:
            assert re.search(rf"^ +{column}( as \w+_id)?,$", sql, re.MULTILINE), (table["name"], column)


@of_each_source
def test_each_column_of_a_staging_model_is_described(source: Source, raw: duckdb.DuckDBPyConnection) -> None:
    for model in described_models(source):
        columns = manifest()["nodes"][f"model.impulsum.{model}"]["columns"]
        shown = raw.execute(f"describe {rendered(sources_file(source).parent / f'{model}.sql')}").fetchall()
        assert set(columns) == {name for name, *_ in shown}, model
        for name, kind, *_ in shown:
            assert columns[name]["description"], (model, name)
            assert columns[name]["data_type"] in {kind.lower(), None}, (model, name)


@pytest.mark.parametrize(
    ("model", "column", "description"),
    [
        ("stg_jira__issues", "issue_id", "The vendor's stable id; unique in this table."),
        ("stg_jira__issues", "is_deleted", "True when the row was found deleted at the source."),
        ("stg_slack__users", "user_id", "The vendor's stable id; unique in this table."),  # its tests are its own
        ("stg_tempo__census", "held", "Number of rows stored after the sync, neither deleted nor unreachable."),
        # A new column with the name of a raw one:
        ("stg_jira__statuses", "status_category",
         "Key of its category: new, indeterminate or done; new for a status without a category."),
        # A model with another grain than the table that it reads:
        ("stg_github__pull_request_commits", "merged_at", "When the pull request was merged; null unless merged."),
        ("stg_github__pull_request_commits", "is_deleted",
         "True when the pull request was found deleted at the source."),
    ],
)  # fmt: skip
def test_a_column_has_its_own_description_or_that_of_the_raw_table(model: str, column: str, description: str) -> None:
    assert manifest()["nodes"][f"model.impulsum.{model}"]["columns"][column]["description"] == description


def test_only_what_is_passed_on_is_inherited() -> None:
    raw_columns = {
        name: {"name": name, "data_type": "varchar", "description": f"Raw {name}."} for name in ("id", "key", "to")
    }
    sql = "select\n    id as thing_id,\n    key,\n    upper(to) as to,\n    now() as seen_at\nfrom source\n"
    thing = {
        "resource_type": "model",
        "name": "stg_made_up__things",
        "depends_on": {"nodes": ["source.things"], "macros": []},
        "raw_code": sql,
        "columns": {"key": {"name": "key", "description": "Own key.", "data_type": None}},
    }
    parsed = {
        "nodes": {"model.things": thing},
        "sources": {"source.things": {"source_name": "made_up", "name": "things", "columns": raw_columns}},
        "macros": {},
    }
    describe_columns(parsed)
    assert thing["columns"] == {
        "thing_id": {"name": "thing_id", "description": "Raw id.", "data_type": "varchar"},
        "key": {"name": "key", "description": "Own key.", "data_type": "varchar"},
    }


def test_dagster_shows_the_descriptions_of_columns() -> None:
    staging = {spec.key.path[1]: spec for spec in mart_specs().assets if spec.key.path[0] == "staging"}
    assert {"stg_jira__issues", "stg_tempo__syncs", "stg_slack__census"} <= set(staging)
    for name, spec in staging.items():
        undescribed = [c.name for c in spec.metadata["dagster/column_schema"].columns if not c.description]
        assert not undescribed, name
