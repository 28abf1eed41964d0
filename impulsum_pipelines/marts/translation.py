"""Translates dbt's models and tests into Dagster's assets and checks.

It needs dagster-dbt, which imports dbt: two seconds of CPU. So its result is cached, see
:mod:`impulsum_pipelines.marts.specs`; besides that only the step that runs dbt imports it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.asset_utils import DBT_DEFAULT_EXCLUDE, DBT_DEFAULT_SELECTOR, build_dbt_specs

from impulsum_pipelines.base.catalog import owners, source_files, tags
from impulsum_pipelines.marts.manifest import PROJECT
from impulsum_pipelines.tiers import ANALYTICAL, MART_TIERS

#: Selects the marts and everything that they read. A staging model that no mart reads is not built.
WHAT_MARTS_NEED = "+fqn:impulsum.marts"

#: Metadata that dagster-dbt adds to each spec for its own use: the whole manifest and the translator. No UI shows it.
_BULK = {"dagster_dbt/manifest", "dagster_dbt/dagster_dbt_translator"}

#: A line of a staging model that passes a column on, such as ``key,`` or ``id as issue_id,``.
_PASSED_ON = re.compile(r"^ +(\w+)(?: as (\w+))?,?$", re.MULTILINE)

#: Columns that staging models add to every table.
_MADE = {"is_deleted": {"data_type": "boolean", "description": "True when the row was found deleted at the source."}}


class Translator(DagsterDbtTranslator):  # type: ignore[misc]
    """A model is the asset ``<schema>/<name>`` in the group of its schema; a dbt source is the raw asset.

    Tests of dbt sources do not become checks of the raw assets: a pull would then start dbt. Raw tables have checks of
    their own, see :mod:`impulsum_pipelines.checks`.
    """

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """``<source>/<table>`` for a dbt source, ``<schema>/<name>`` for everything else."""
        first = "source_name" if dbt_resource_props["resource_type"] == "source" else "schema"
        return dg.AssetKey([dbt_resource_props[first], dbt_resource_props["name"]])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The description of the model, without its SQL, which dagster-dbt would add."""
        description: str = dbt_resource_props["description"]
        return description

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The schema: staging, intermediate, core, velocity, risk, quality, restricted."""
        group: str = dbt_resource_props["schema"]
        return group

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """The owner that the model names, or else the owner of its schema."""
        return list(super().get_owners(dbt_resource_props) or owners(dbt_resource_props["schema"]))

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> dict[str, str]:
        """The tags of the model, its layer and its cadence."""
        schema = dbt_resource_props["schema"]
        layer = schema if schema in {"staging", "intermediate"} else "mart"
        own = super().get_tags(dbt_resource_props)
        return {**own, **tags(layer, MART_TIERS.get(schema, ANALYTICAL).cadence_tag)}

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> dict[str, Any]:
        """Columns and table, with links to the SQL of the model and to the file that describes it."""
        described_in = (dbt_resource_props["patch_path"] or "").partition("://")[2]
        files = filter(None, (dbt_resource_props["original_file_path"], described_in))
        return {**super().get_metadata(dbt_resource_props), **source_files(*(PROJECT / file for file in files))}


def translate(manifest: dict[str, Any]) -> tuple[list[dg.AssetSpec], list[dg.AssetCheckSpec]]:
    """The models that marts need as assets, and their tests as asset checks, in the order of their keys.

    Args:
        manifest: the manifest of the project; descriptions are added to it by :func:`describe_tests` and
            :func:`describe_columns`.
    """
    describe_tests(manifest)
    describe_columns(manifest)
    assets, checks = build_dbt_specs(
        translator=Translator(),
        manifest=manifest,
        select=WHAT_MARTS_NEED,
        exclude=DBT_DEFAULT_EXCLUDE,
        selector=DBT_DEFAULT_SELECTOR,
        io_manager_key=None,
        project=None,
    )
    small = [
        spec.replace_attributes(metadata={key: spec.metadata[key] for key in spec.metadata if key not in _BULK})
        for spec in assets
    ]
    return sorted(small, key=lambda spec: spec.key), sorted(checks, key=lambda spec: spec.key)


def describe_tests(manifest: dict[str, Any]) -> None:
    """Add a description to every test, where dagster-dbt reads it: its own, or that of its rule."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test":
            node["meta"]["description"] = node["description"] or _rule_description(manifest, node)


def _rule_description(manifest: dict[str, Any], node: dict[str, Any]) -> str:
    """What the rule of a test demands: one of dbt's own rules, or a generic test of the project."""
    rule = node.get("test_metadata") or {"name": node["name"], "kwargs": {}}
    arguments = rule["kwargs"]
    built_in = {
        "not_null": "{column_name} is never null.",
        "unique": "No two rows share a {column_name}.",
        "accepted_values": "{column_name} is one of: {values}.",
        "relationships": "Every {column_name} is found in {to}, as its {field}.",
    }
    if rule["name"] in built_in:
        values = ", ".join(map(str, arguments.get("values", ())))
        to = str(arguments.get("to", "")).removeprefix("ref('").removesuffix("')")
        return built_in[rule["name"]].format(**{**arguments, "values": values, "to": to})
    own = manifest["macros"].get(f"macro.{node['package_name']}.test_{rule['name']}", {})
    description: str = own.get("description", "")
    return description


def describe_columns(manifest: dict[str, Any]) -> None:
    """Copy type and description of a raw column to the staging column that only passes it on, where these are missing.

    This applies to a model that is named after the one raw table that it reads. A model with another grain must
    describe its own columns.
    """
    for node in manifest["nodes"].values():
        read = [manifest["sources"].get(key) for key in node.get("depends_on", {}).get("nodes", ())]
        if node["resource_type"] != "model" or len(read) != 1 or not read[0]:
            continue
        if node["name"] == f"stg_{read[0]['source_name']}__{read[0]['name']}":
            _inherit(node["columns"], _sql(manifest, node), read[0]["columns"])


def _sql(manifest: dict[str, Any], node: dict[str, Any]) -> str:
    """The SQL of the model as written, with the macros that it calls."""
    macros = (manifest["macros"].get(key) for key in node["depends_on"]["macros"])
    return "\n".join([node["raw_code"], *(macro["macro_sql"] for macro in macros if macro)])


def _inherit(columns: dict[str, Any], sql: str, raw: Mapping[str, Any]) -> None:
    inherited = {new or old: raw[old] for old, new in _PASSED_ON.findall(sql) if old in raw}
    inherited |= {name: column for name, column in _MADE.items() if f" as {name}," in sql}
    for name, of_raw in inherited.items():
        own = columns.get(name, of_raw)
        words = {key: own.get(key) or of_raw[key] for key in ("description", "data_type")}
        columns[name] = own | words | {"name": name}
