"""dbt is told what the declarations say of the raw tables."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
import yaml

from impulsum_pipelines.dbt_manifest import PROJECT
from impulsum_pipelines.dbt_sources import sources_file, sources_text
from impulsum_pipelines.loading.raw import BOOKS, GRAINS, KEYS
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES, Source

SHARED_SQL = (PROJECT / "macros" / "books.sql").read_text()

of_each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def declared(source: Source) -> dict[str, str]:
    """What dbt reads of a source, and what a row of it is."""
    return {table.name: table.description for table in tables(source.name)} | {book: GRAINS[book] for book in KEYS}


def rendered(model: Path) -> str:
    """The SQL of a staging model, on raw files that are attached under their names."""
    template = jinja2.Environment(autoescape=False).from_string(SHARED_SQL + model.read_text())  # noqa: S701
    return template.render(source=lambda source, table: f"{source}.raw.{table}")


@of_each_source
def test_the_dbt_source_file_is_up_to_date(source: Source) -> None:
    assert sources_file(source).read_text() == sources_text(source), "run `make sources`"


@of_each_source
def test_dbt_reads_the_file_as_it_was_meant(source: Source) -> None:
    (told,) = yaml.safe_load(sources_text(source))["sources"]
    assert [table["name"] for table in told["tables"]] == list(declared(source))
    columns = {table.name: table.all_columns for table in tables(source.name)} | BOOKS
    for table in told["tables"]:
        assert table["description"] == declared(source)[table["name"]]
        assert table["config"] == {"meta": {"dagster": {"asset_key": [source.name, table["name"]]}}}
        assert [(c["name"], c["description"]) for c in table["columns"]] == [
            (column.name, column.description) for column in columns[table["name"]]
        ]


@of_each_source
def test_each_staging_model_passes_the_key_on(source: Source) -> None:
    (told,) = yaml.safe_load(sources_file(source).read_text())["sources"]
    for table in told["tables"]:
        [test] = table["data_tests"]
        sql = rendered(sources_file(source).parent / f"stg_{source.name}__{table['name']}.sql")
        for column in test["primary_key"]["arguments"]["columns"]:
            assert re.search(rf"^ +{column}( as \w+_id)?,$", sql, re.MULTILINE), (table["name"], column)
