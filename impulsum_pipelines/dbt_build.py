"""One run of ``dbt build``, for what a Dagster step selects, told as Dagster's events.

It needs dagster-dbt, which imports dbt: two seconds of CPU. So it is imported by a step that builds.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtCliRuntimeError, DbtCliInvocation, DbtCliResource
from dagster_dbt.asset_utils import DBT_INDIRECT_SELECTION_ENV, get_subset_selection_for_context

from impulsum_pipelines.dbt_manifest import DBT, PROJECT
from impulsum_pipelines.dbt_translation import WHAT_MARTS_NEED, Translator
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.files import Home

log = logging.getLogger(__name__)


def build(
    context: dg.AssetExecutionContext, manifest: Mapping[str, Any], home: Home, raw: Path, *, full_refresh: bool
) -> Iterator[Any]:
    """Build the models that the step selects, and yield what became of each of them and of its tests, as dbt goes on.

    Args:
        context: of a step of the marts.
        manifest: what dbt parsed.
        home: where the warehouse is; dbt's artifacts and log are left in its folder ``dbt``.
        raw: folder of the raw files to read.
        full_refresh: build what grows by increments from nothing.

    Raises:
        ImpulsumError: naming the models and tests that failed, after what the others came to.
    """
    target = home.root / "dbt"
    translator = Translator()
    started = _start(context, manifest, translator, home, raw, target, full_refresh)
    try:
        for message in started.stream_raw_events():
            yield from message.to_default_asset_events(
                manifest, dagster_dbt_translator=translator, context=context, target_path=target
            )
    except DagsterDbtCliRuntimeError:
        raise _what_failed(target) from None


def _start(
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    translator: Translator,
    home: Home,
    raw: Path,
    target: Path,
    full_refresh: bool,
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
    # Asked by hand: `cli(context=...)` looks for the manifest and the translator in the specs, where they are not kept.
    selected, tests = get_subset_selection_for_context(
        context=context,
        manifest=manifest,
        select=WHAT_MARTS_NEED,
        exclude=None,
        selector=None,
        dagster_dbt_translator=translator,
        current_dbt_indirect_selection_env=os.getenv(DBT_INDIRECT_SELECTION_ENV),
    )
    # dbt runs in the project's folder, where a relative IMPULSUM_HOME would be another place.
    environment = {
        "IMPULSUM_HOME": str(home.root),
        "IMPULSUM_RAW": str(raw),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        **({DBT_INDIRECT_SELECTION_ENV: tests} if tests else {}),
    }
    with _environment(**environment):
        # Unit tests judge the code and not the data: they belong to the tests of the project.
        anew = ["--full-refresh"] if full_refresh else []
        return dbt.cli(
            ["build", "--exclude-resource-type", "unit_test", *anew, *selected],
            manifest=manifest,
            dagster_dbt_translator=translator,
            target_path=target,
        )


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
