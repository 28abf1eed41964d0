"""The asset and check specs of the marts, cached beside the manifest that they were made from.

Every run imports the code location again, also a run that only pulls. dagster-dbt makes the specs, and importing it
takes two seconds of CPU; reading the cached ones takes a few hundredths.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
from dagster_shared.libraries import DagsterLibraryRegistry
from dagster_shared.serdes.errors import DeserializationError

from impulsum_pipelines import tiers
from impulsum_pipelines.base import catalog
from impulsum_pipelines.base.catalog import without_beta_warnings
from impulsum_pipelines.marts.manifest import PROJECT, manifest_text, parsed_folder

log = logging.getLogger(__name__)

#: The code that makes the specs and reads them.
_CODE = Path(__file__), Path(__file__).with_name("translation.py"), Path(catalog.__file__), Path(tiers.__file__)

#: What the cache keeps of a spec besides its dependencies. dagster-dbt sets nothing else.
_ASSET_FIELDS = ("key", "description", "metadata", "skippable", "group_name", "code_version", "owners", "tags")
_CHECK_FIELDS = ("name", "description", "metadata", "blocking")


class MartSpecs(NamedTuple):
    """The specs of the marts, in the order of their keys.

    Args:
        assets: one per model.
        checks: one per test.
    """

    assets: list[dg.AssetSpec]
    checks: list[dg.AssetCheckSpec]


def mart_specs(project: Path = PROJECT) -> MartSpecs:
    """The models of a dbt project that marts need, and their tests, as dagster-dbt translates them.

    They are translated again when the manifest, the code, its place or a version changed. Safe to call from several
    processes at once.

    Raises:
        ImpulsumError: of category configuration, with dbt's own words, when the project cannot be parsed.
    """
    manifest = manifest_text(project)
    cache = parsed_folder(project) / "marts.json"
    libraries = {name: version(name) for name in ("dagster", "dagster-dbt", "dbt-core")}
    inputs = hashlib.sha256(repr((libraries, sys.version, str(PROJECT))).encode())
    for part in (manifest, *(module.read_bytes() for module in _CODE)):
        inputs.update(part)
    specs = _read(cache, inputs.hexdigest())
    if specs is None:
        from impulsum_pipelines.marts.translation import translate

        specs = MartSpecs(*translate(json.loads(manifest)))
        _write(cache, inputs.hexdigest(), specs)
    for name, installed in libraries.items():
        # As an import would: Dagster shows which libraries a code location stands on.
        DagsterLibraryRegistry.register(name, installed, is_dagster_package=False)
    return specs


def _read(cache: Path, inputs: str) -> MartSpecs | None:
    """The cached specs; None when there are none, or they were made from other inputs or by another Dagster."""
    try:
        with without_beta_warnings():
            stored: Any = dg.deserialize_value(cache.read_text())
    except (OSError, ValueError, DeserializationError):
        return None
    if stored["inputs"] != inputs:
        return None
    return MartSpecs(
        [dg.AssetSpec(**fields, deps=_to_deps(deps)) for fields, deps in stored["assets"]],
        [
            dg.AssetCheckSpec(**fields, asset=asset, additional_deps=_to_deps(deps))
            for fields, asset, deps in stored["checks"]
        ],
    )


def _write(cache: Path, inputs: str, specs: MartSpecs) -> None:
    """Write the file beside its place and rename it there, so that nobody reads half of it."""
    content = {
        "inputs": inputs,
        "assets": [(_fields(spec, _ASSET_FIELDS), _from_deps(spec.deps)) for spec in specs.assets],
        "checks": [
            (_fields(spec, _CHECK_FIELDS), spec.asset_key, _from_deps(spec.additional_deps)) for spec in specs.checks
        ],
    }
    try:
        with tempfile.TemporaryDirectory(dir=cache.parent, prefix="specs-") as scratch:
            made = Path(scratch, cache.name)
            made.write_text(dg.serialize_value(content))
            made.replace(cache)
    except OSError as error:
        log.warning("%s cannot be written, so that every run starts seconds later: %s", cache, error)


def _fields(spec: dg.AssetSpec | dg.AssetCheckSpec, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in names}


def _from_deps(deps: Iterable[dg.AssetDep]) -> list[tuple[dg.AssetKey, Any]]:
    return [(dep.asset_key, dep.metadata) for dep in deps]


def _to_deps(stored: Iterable[tuple[dg.AssetKey, Any]]) -> list[dg.AssetDep]:
    return [dg.AssetDep(key, metadata=metadata) for key, metadata in stored]
