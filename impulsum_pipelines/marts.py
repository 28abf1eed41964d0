"""The dbt project as Dagster assets: staging, intermediate and marts, built into the warehouse.

One op runs ``dbt build``. It alone writes ``warehouse.duckdb``, and dbt reads copies of the raw files: each is locked
only while it is copied, so that no load waits for a build.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtCliRuntimeError,
    DagsterDbtTranslator,
    DbtCliInvocation,
    DbtCliResource,
    dbt_assets,
)
from pydantic import Field

from impulsum_pipelines.dbt_manifest import DBT, PROJECT, describe_tests, fresh_manifest
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.files import Home, connect
from impulsum_pipelines.loading.assets import OWNER, failure
from impulsum_pipelines.loading.raw import ensure_tables, refuse_half_loaded
from impulsum_pipelines.people import copy_mapping
from impulsum_pipelines.release import MART_SCHEMAS
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import SOURCES

log = logging.getLogger(__name__)

#: A staging model that no mart reads yet is left out: a build would replace its view for nobody.
WHAT_MARTS_NEED = "+fqn:impulsum.marts"


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


class BuildConfig(dg.Config):
    """How to build."""

    full_refresh: bool = Field(default=False, description="Build what grows by increments from nothing.")


def build_marts() -> dg.AssetsDefinition:
    """The marts and every dbt model that one of them reads, with their tests as asset checks.

    Raises (in a run):
        dagster.Failure: naming the models and tests that failed; nothing is published then.
    """

    manifest = fresh_manifest()
    describe_tests(manifest)

    @dbt_assets(  # type: ignore[untyped-decorator]
        name="marts",
        manifest=manifest,
        select=WHAT_MARTS_NEED,
        dagster_dbt_translator=Translator(),
        pool="warehouse",
    )
    def marts(context: dg.AssetExecutionContext, config: BuildConfig) -> Iterator[Any]:
        settings = load_settings()
        home = Home.of(settings)
        target = home.root / "dbt"
        # Told together at the end, in dbt's order, so that a check is of the table built just before it: nobody can
        # count rows while dbt has the file.
        events: list[Any] = []
        facts: dict[tuple[str, ...], dict[str, Any]] = {}
        failed: ImpulsumError | None = None
        try:
            with _files(home, settings) as raw:
                try:
                    for event in _build(context, home, raw, target, config).stream():
                        events.append(event)
                except DagsterDbtCliRuntimeError:
                    failed = _what_failed(target)
                if events:
                    facts = _table_facts(home, manifest)
        except ImpulsumError as error:
            failed = error
        for event in events:
            if isinstance(event, dg.Output):
                key = context.asset_key_for_output(event.output_name)
                yield event.with_metadata({**event.metadata, **facts.get(tuple(key.path), {})})
            elif not isinstance(event, dg.AssetObservation):
                # Observations would tell the raw assets of dbt's tests; they have checks of their own.
                yield event
        if failed:
            raise failure(failed, context.retry_number) from failed

    return marts


def mart_keys(marts: dg.AssetsDefinition) -> list[dg.AssetKey]:
    """The assets among ``marts`` that are published."""
    return sorted(key for key in marts.keys if key.path[0] in MART_SCHEMAS)


def build_published(marts: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The published file as the asset ``published/impulsum``, made when every mart is built and checked."""

    @dg.asset(
        key=["published", "impulsum"],
        deps=mart_keys(marts),
        group_name="published",
        owners=[OWNER],
        kinds={"duckdb"},
        description="impulsum.duckdb, the one file that analysts open: the marts, after their checks passed, put "
        "in place by one rename. A failed check leaves the file of before standing.",
        pool="publish",
    )
    def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        from impulsum_pipelines.publish import publish

        try:
            result = publish(load_settings())
        except ImpulsumError as error:
            raise failure(error, context.retry_number) from error
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(result.path)),
                "version": result.version,
                "size (bytes)": result.bytes,
                "rows": dg.MetadataValue.json(result.tables),
                "seconds": round(result.seconds, 3),
            }
        )

    return published


@contextmanager
def _files(home: Home, settings: Settings) -> Iterator[Path]:
    """The warehouse held for writing, and a folder with a copy of every raw file, which are made if need be."""
    with home.writing("warehouse"):
        raw = home.work / "build"
        shutil.rmtree(raw, ignore_errors=True)
        try:
            for source in SOURCES:
                ensure_tables(home, source.name)
                with home.reading(source.name):
                    refuse_half_loaded(home, source.name)
                    home.copy_raw(source.name, raw)
            copy_mapping(settings, raw)
            yield raw
        finally:
            shutil.rmtree(raw, ignore_errors=True)


def _build(
    context: dg.AssetExecutionContext, home: Home, raw: Path, target: Path, config: BuildConfig
) -> DbtCliInvocation:
    # dbt's artifacts and log of the newest build are kept, for whoever must find out why it failed. What it parsed
    # serves the next build: the project's own copy does not, since dbt parses anew for each path of the warehouse.
    parsed = target / "partial_parse.msgpack"
    for old in target.iterdir() if target.exists() else ():
        if old.is_dir():
            shutil.rmtree(old)
        elif old != parsed:
            old.unlink()
    target.mkdir(parents=True, exist_ok=True)
    dbt = DbtCliResource(project_dir=str(PROJECT), profiles_dir=str(PROJECT), dbt_executable=str(DBT))
    # dbt runs in the project's folder, where a relative IMPULSUM_HOME would be another place.
    with _environment(IMPULSUM_HOME=str(home.root), IMPULSUM_RAW=str(raw), DBT_SEND_ANONYMOUS_USAGE_STATS="false"):
        # Unit tests judge the code and not the data: they belong to the tests of the project.
        anew = ["--full-refresh"] if config.full_refresh else []
        return dbt.cli(["build", "--exclude-resource-type", "unit_test", *anew], context=context, target_path=target)


def _table_facts(home: Home, manifest: Mapping[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Rows and columns of each table that dbt built, by schema and name.

    Read here, after dbt: dagster-dbt counts through dbt, which takes seconds, and drops the columns' meanings.
    """
    documented = {
        (node["schema"], node["name"], name): column["description"]
        for node in manifest["nodes"].values()
        for name, column in node["columns"].items()
    }
    with connect(home.warehouse, read_only=True) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables() where not internal").fetchall()
        facts: dict[tuple[str, ...], dict[str, Any]] = {}
        for schema, table in tables:
            columns = connection.execute(
                "select column_name, data_type from duckdb_columns() where schema_name = ? and table_name = ?",
                [schema, table],
            ).fetchall()
            [(rows,)] = connection.execute(f'select count(*) from "{schema}"."{table}"').fetchall()
            facts[schema, table] = {
                "dagster/row_count": rows,
                "dagster/column_schema": dg.TableSchema(
                    [
                        dg.TableColumn(name, kind.lower(), description=documented.get((schema, table, name)))
                        for name, kind in columns
                    ]
                ),
            }
    return facts


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _what_failed(target: Path) -> ImpulsumError:
    """The models and tests that dbt's own record of the run names as failed."""
    try:
        results = json.loads((target / "run_results.json").read_text())["results"]
    except (OSError, ValueError):
        results = []
    failed = [r for r in results if r["status"] in {"error", "fail"}]
    for result in failed:
        log.error("dbt: %s: %s", result["unique_id"], result["message"])
    names = ", ".join(r["unique_id"].split(".", 2)[-1] for r in failed) or "dbt did not start"
    return ImpulsumError(
        Category.CONFIGURATION if not failed else Category.INTERNAL,
        f"{len(failed)} of {len(results)} dbt models and tests failed: {names}",
        where="dbt build",
        safe="The published file is unchanged.",
        next_step="read the messages in the step's log, or dbt's own log in IMPULSUM_HOME/dbt.",
    )
