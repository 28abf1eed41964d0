"""The dbt project as Dagster assets: staging, intermediate and marts, built into the warehouse.

One op runs ``dbt build``. Only this op writes ``warehouse.duckdb``. dbt reads copies of the raw files: each raw file is
locked only while it is copied, so no load waits for a build.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from impulsum_pipelines.base.catalog import owners, source_files, tags, working_day_deadline
from impulsum_pipelines.base.failing import failure
from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.raw import ensure_tables, refuse_half_loaded
from impulsum_pipelines.marts.figures import FIGURES
from impulsum_pipelines.marts.manifest import COPIES, fresh_manifest
from impulsum_pipelines.marts.people import copy_mapping
from impulsum_pipelines.marts.specs import mart_specs
from impulsum_pipelines.publishing.release import MART_SCHEMAS
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import ALERT, ANALYTICAL, BUILT_WITHIN, MART_TIERS, SOURCES


class BuildConfig(dg.Config):
    """Options of a build."""

    full_refresh: bool = Field(default=False, description="Build incremental models again from nothing.")


def build_marts() -> dg.AssetsDefinition:
    """The marts and every dbt model that they read, with their tests as asset checks.

    Raises (in a run):
        dagster.Failure: naming the models and tests that failed; nothing is published.
    """
    specs = mart_specs()
    settings = load_settings()
    assets = [_with_deadline(spec, settings) for spec in specs.assets]

    @dg.multi_asset(name="marts", specs=assets, check_specs=specs.checks, can_subset=True, pool="warehouse")
    def marts(context: dg.AssetExecutionContext, config: BuildConfig) -> Iterator[Any]:
        from impulsum_pipelines.marts.build import run_dbt_build

        settings = load_settings()
        home = Home.of(settings)
        # Yielded together at the end: rows cannot be counted while dbt has the file open. dbt's order is kept, so that
        # a check belongs to the table that was built just before it.
        events: list[Any] = []
        facts: dict[tuple[str, ...], dict[str, Any]] = {}
        failed: ImpulsumError | None = None
        try:
            manifest = fresh_manifest()
            with _build_files(home, settings):
                try:
                    for event in run_dbt_build(context, manifest, home, full_refresh=config.full_refresh):
                        events.append(event)
                except ImpulsumError as error:
                    failed = error
                if events:
                    facts = _table_facts(home, manifest)
        except ImpulsumError as error:
            failed = error
        for event in events:
            if isinstance(event, dg.Output):
                key = context.asset_key_for_output(event.output_name)
                yield event.with_metadata({**event.metadata, **facts.get(tuple(key.path), {})})
            elif not isinstance(event, dg.AssetObservation):
                # Observations would report dbt's tests on the raw assets, which have checks of their own.
                yield event
        if failed:
            raise failure(failed, context.retry_number) from failed

    return marts


def _with_deadline(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """A mart with its freshness policy. It depends on settings, so it is not among what is cached."""
    schema = spec.key.path[0]
    if schema not in MART_SCHEMAS:
        return spec
    within = BUILT_WITHIN[MART_TIERS.get(schema, ANALYTICAL).name]
    return spec.replace_attributes(freshness_policy=working_day_deadline(within, settings))


def mart_keys(marts: dg.AssetsDefinition) -> list[dg.AssetKey]:
    """The assets among ``marts`` that are published."""
    return sorted(key for key in marts.keys if key.path[0] in MART_SCHEMAS)


def build_published(marts: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset ``published/impulsum``: the published file, written when every mart is built and checked."""

    @dg.asset(
        key=["published", "impulsum"],
        deps=mart_keys(marts),
        group_name="published",
        owners=owners("published"),
        kinds={"duckdb"},
        tags=tags("product", ALERT.cadence_tag),
        metadata=source_files(Path(__file__).parents[1] / "publishing" / "publish.py"),
        freshness_policy=working_day_deadline(BUILT_WITHIN[ALERT.name], load_settings()),
        description="impulsum.duckdb, the file that analysts open: every mart, after its checks passed, put in place "
        "by one rename. When a check fails, the old file stays.",
        pool="publish",
    )
    def published_file(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        from impulsum_pipelines.publishing.publish import publish

        try:
            result = publish(load_settings())
        except ImpulsumError as error:
            raise failure(error, context.retry_number) from error
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(result.path)),
                "version": result.version,
                "dagster/row_count": sum(result.tables.values()),
                "size (bytes)": result.bytes,
                "rows": dg.MetadataValue.json(result.tables),
                "seconds": round(result.seconds, 3),
            }
        )

    return published_file


@contextmanager
def _build_files(home: Home, settings: Settings) -> Iterator[None]:
    """Lock the warehouse for writing, and copy every raw file for dbt. Raw files that are missing are created."""
    with home.writing("warehouse"):
        raw = home.root / COPIES
        shutil.rmtree(raw, ignore_errors=True)
        try:
            for source in SOURCES:
                ensure_tables(home, source.name)
                with home.reading(source.name):
                    refuse_half_loaded(home, source.name)
                    home.copy_raw(source.name, raw)
            copy_mapping(settings, raw)
            yield
        finally:
            shutil.rmtree(raw, ignore_errors=True)


def _table_facts(home: Home, manifest: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Columns of each table and view that dbt built, by schema and name; of a table also row count and key numbers.

    They are read here, after dbt: dagster-dbt counts through dbt, which takes seconds, and drops the descriptions of
    the columns. A view is not counted: that would compute it.
    """
    from impulsum_pipelines.marts.translation import describe_columns

    describe_columns(manifest)
    documented = {
        (node["schema"], node["name"], name): column["description"]
        for node in manifest["nodes"].values()
        for name, column in node["columns"].items()
    }
    facts: dict[tuple[str, ...], dict[str, Any]] = {}
    with connect(home.warehouse, read_only=True) as connection:
        columns = connection.execute(
            "select schema_name, table_name, list((column_name, lower(data_type)) order by column_index) "
            "from duckdb_columns() where not internal group by all"
        ).fetchall()
        for schema, name, of_table in columns:
            described = [
                dg.TableColumn(column, kind, description=documented.get((schema, name, column)))
                for column, kind in of_table
            ]
            facts[schema, name] = {"dagster/column_schema": dg.TableSchema(described)}
        tables = connection.execute("select schema_name, table_name from duckdb_tables() where not internal").fetchall()
        for schema, table in tables:
            figures = FIGURES.get((schema, table), {})
            aggregates = ", ".join(["count(*)", *figures.values()])
            [(rows, *values)] = connection.execute(f'select {aggregates} from "{schema}"."{table}"').fetchall()
            # Without a value there is nothing to plot.
            plotted = {name: _number(value) for name, value in zip(figures, values, strict=True) if value is not None}
            facts[schema, table] |= {"dagster/row_count": rows, **plotted}
    return facts


def _number(value: int | float | Decimal) -> int | float:
    return value if isinstance(value, int) else round(float(value), 3)
