"""Runs ``dbt build`` for the models that a Dagster step selects, and yields Dagster events.

It needs dagster-dbt, which imports dbt: two seconds of CPU. So only a step that builds imports this module.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtCliRuntimeError, DbtCliInvocation
from dagster_dbt.asset_utils import DBT_INDIRECT_SELECTION_ENV, get_subset_selection_for_context
from packaging.version import Version

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.marts.manifest import DBT, PARSED, PATHS, PROJECT, parsed_folder
from impulsum_pipelines.marts.translation import WHAT_MARTS_NEED, Translator

log = logging.getLogger(__name__)


def run_dbt_build(
    context: dg.AssetExecutionContext, manifest: Mapping[str, Any], home: Home, *, full_refresh: bool
) -> Iterator[Any]:
    """Build the models that the step selects; yield the result of each model and test as soon as dbt reports it.

    Args:
        context: the context of the step.
        manifest: the manifest of the project.
        home: has the warehouse, and the copies of the raw files to read; its folder ``dbt`` gets dbt's artifacts and
            log.
        full_refresh: build incremental models again from nothing.

    Raises:
        ImpulsumError: naming the models and tests that failed, after the results of all others.
    """
    target = home.root / "dbt"
    translator = Translator()
    started = _start(context, manifest, translator, home, target, full_refresh)
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
    target: Path,
    full_refresh: bool,
) -> DbtCliInvocation:
    """Start dbt.

    Not with ``DbtCliResource.cli``: that first asks dbt for its version in a separate process, and opens an adapter to
    count rows, which is not used here. Together that takes five seconds of CPU before dbt begins.
    """
    _clear(target)
    selected, tests = get_subset_selection_for_context(
        context=context,
        manifest=manifest,
        select=WHAT_MARTS_NEED,
        exclude=None,
        selector=None,
        dagster_dbt_translator=translator,
        current_dbt_indirect_selection_env=os.getenv(DBT_INDIRECT_SELECTION_ENV),
    )
    # Unit tests check the code and not the data: they run with the tests of this repository.
    options = ["--full-refresh"] if full_refresh else []
    environment = {
        **os.environ,
        **PATHS,
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
        "DBT_LOG_FORMAT": "json",
        "DBT_LOG_LEVEL_FILE": "info",  # by default the log repeats every statement, which takes a tenth of a build
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PYTHONUNBUFFERED": "1",
        **({DBT_INDIRECT_SELECTION_ENV: tests} if tests else {}),
    }
    return DbtCliInvocation.run(
        args=[str(DBT), "build", "--exclude-resource-type", "unit_test", *options, *selected],
        env=environment,
        manifest=manifest,
        dagster_dbt_translator=translator,
        project_dir=home.root,  # the folder in which dbt runs
        target_path=target,
        raise_on_error=True,
        context=None,
        adapter=None,
        cli_version=Version(version("dbt-core")),
    )


def _clear(target: Path) -> None:
    """Delete the artifacts and the log of the build before, but keep the parsed project, which saves dbt a parse.

    A new home gets the project as it was parsed for the manifest. Artifacts and log stay until the next build, so that
    people can find out why a build failed.
    """
    parsed, first = target / PARSED, parsed_folder()
    for old in target.iterdir() if target.exists() else ():
        if old in {parsed, first}:
            continue
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    target.mkdir(parents=True, exist_ok=True)
    if not parsed.exists():
        shutil.copy(first / PARSED, parsed)


def _what_failed(target: Path) -> ImpulsumError:
    """An error that names the failed models and tests, read from dbt's results."""
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
        next_step="read the messages in the log of the step, or dbt's log in IMPULSUM_HOME/dbt.",
    )
