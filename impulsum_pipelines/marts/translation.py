"""dbt's models and tests in Dagster's words: assets and checks.

It needs dagster-dbt, which imports dbt: two seconds of CPU. So what this module says is kept and read again, see
:mod:`impulsum_pipelines.marts.specs`; nothing else imports it but the run of dbt itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.asset_utils import DBT_DEFAULT_EXCLUDE, DBT_DEFAULT_SELECTOR, build_dbt_specs

from impulsum_pipelines.base.failing import OWNER

#: A staging model that no mart reads yet is left out: a build would replace its view for nobody.
WHAT_MARTS_NEED = "+fqn:impulsum.marts"

#: What dagster-dbt leaves in each spec for its own use: the whole manifest and the translator, which no UI shows.
_BULK = {"dagster_dbt/manifest", "dagster_dbt/dagster_dbt_translator"}

#: A line of a staging model that passes a column on, such as ``key,`` or ``id as issue_id,``.
_PASSED_ON = re.compile(r"^ +(\w+)(?: as (\w+))?,?$", re.MULTILINE)

#: What staging models add to every table.
_MADE = {"is_deleted": {"data_type": "boolean", "description": "True when the row was found deleted at the source."}}


class Translator(DagsterDbtTranslator):  # type: ignore[misc]
    """A model is the asset ``<schema>/<name>`` in the group of its schema; a dbt source is the raw asset.

    Tests of dbt sources do not become checks of the raw assets: a pull would then start dbt. Raw tables have checks of
    their own, see :mod:`impulsum_pipelines.checks`.
    """

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """``<source>/<table>`` of a source, ``<schema>/<name>`` of anything else."""
        first = "source_name" if dbt_resource_props["resource_type"] == "source" else "schema"
        return dg.AssetKey([dbt_resource_props[first], dbt_resource_props["name"]])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What the model is for; its SQL is in the repository and not in every list of assets."""
        description: str = dbt_resource_props["description"]
        return description

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The schema: staging, intermediate, core, velocity, risk, quality, restricted."""
        group: str = dbt_resource_props["schema"]
        return group

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """The owner that the model names, or else the one of the whole project."""
        return list(super().get_owners(dbt_resource_props) or [OWNER])


def translate(manifest: dict[str, Any]) -> tuple[list[dg.AssetSpec], list[dg.AssetCheckSpec]]:
    """The models that marts need as assets, and their tests as checks of these, in the order of their keys.

    Args:
        manifest: what dbt parsed; its tests and columns are given meanings, see :func:`describe_tests` and
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
    """Give every test a meaning where dagster-dbt looks for it: its own, that of its generic test, or its rule."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test":
            node["meta"]["description"] = node["description"] or _meaning(manifest, node)


def _meaning(manifest: dict[str, Any], node: dict[str, Any]) -> str:
    rule = node.get("test_metadata") or {"name": node["name"], "kwargs": {}}
    asked = rule["kwargs"]
    built_in = {
        "not_null": "{column_name} is never null.",
        "unique": "No two rows share a {column_name}.",
        "accepted_values": "{column_name} is one of: {values}.",
        "relationships": "Every {column_name} is found in {to}, as its {field}.",
    }
    if rule["name"] in built_in:
        values = ", ".join(map(str, asked.get("values", ())))
        to = str(asked.get("to", "")).removeprefix("ref('").removesuffix("')")
        return built_in[rule["name"]].format(**{**asked, "values": values, "to": to})
    own = manifest["macros"].get(f"macro.{node['package_name']}.test_{rule['name']}", {})
    meaning: str = own.get("description", "")
    return meaning


def describe_columns(manifest: dict[str, Any]) -> None:
    """Give each column that a staging model only passes on the type and the words of the raw table, where it has none.

    That is a model named after the one raw table that it reads. A model of another grain speaks for itself.
    """
    for node in manifest["nodes"].values():
        read = [manifest["sources"].get(key) for key in node.get("depends_on", {}).get("nodes", ())]
        if node["resource_type"] != "model" or len(read) != 1 or not read[0]:
            continue
        if node["name"] == f"stg_{read[0]['source_name']}__{read[0]['name']}":
            _inherit(node["columns"], _sql(manifest, node), read[0]["columns"])


def _sql(manifest: dict[str, Any], node: dict[str, Any]) -> str:
    """The model as it is written, with the macros of the project that it calls."""
    macros = (manifest["macros"].get(key) for key in node["depends_on"]["macros"])
    return "\n".join([node["raw_code"], *(macro["macro_sql"] for macro in macros if macro)])


def _inherit(columns: dict[str, Any], sql: str, raw: Mapping[str, Any]) -> None:
    inherited = {new or old: raw[old] for old, new in _PASSED_ON.findall(sql) if old in raw}
    inherited |= {name: column for name, column in _MADE.items() if f" as {name}," in sql}
    for name, of_raw in inherited.items():
        own = columns.get(name, of_raw)
        words = {key: own.get(key) or of_raw[key] for key in ("description", "data_type")}
        columns[name] = own | words | {"name": name}
