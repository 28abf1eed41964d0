"""What Dagster is told of the marts, kept beside the manifest that it was made from.

Every run imports the code location anew, also one that only pulls. The words are dagster-dbt's, and importing it takes
two seconds of CPU; to read what it said takes a few hundredths.
"""

from __future__ import annotations

import copyreg
import hashlib
import json
import logging
import pickle
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from dagster_shared.libraries import DagsterLibraryRegistry

from impulsum_pipelines.base.failing import OWNER
from impulsum_pipelines.marts.manifest import PROJECT, manifest_text

log = logging.getLogger(__name__)

#: The code that makes and reads them.
_CODE = Path(__file__), Path(__file__).with_name("translation.py")

# Of itself it is pickled without the names of its arguments, and cannot be read again.
copyreg.pickle(
    dg.AssetDep,
    lambda dep: (
        partial(dg.AssetDep, partition_mapping=dep.partition_mapping, metadata=dep.metadata),
        (dep.asset_key,),
    ),
)


class MartSpecs(NamedTuple):
    """What the marts are, in the order of their keys.

    Args:
        assets: one a model.
        checks: one a test.
    """

    assets: list[dg.AssetSpec]
    checks: list[dg.AssetCheckSpec]


def mart_specs(project: Path = PROJECT) -> MartSpecs:
    """The models of a dbt project that marts need, and their tests, as dagster-dbt translates them.

    It is asked again when anything changed that its answer rests on. Safe to call from several processes at once.

    Raises:
        ImpulsumError: of category configuration, with dbt's own words, when the project cannot be parsed.
    """
    manifest = manifest_text(project)
    file = project / "target" / "marts.pickle"
    libraries = {name: version(name) for name in ("dagster", "dagster-dbt", "dbt-core")}
    rests_on = hashlib.sha256(repr((libraries, sys.version, OWNER)).encode())
    for part in (manifest, *(module.read_bytes() for module in _CODE)):
        rests_on.update(part)
    specs = _kept(file, rests_on.digest())
    if specs is None:
        from impulsum_pipelines.marts.translation import translate

        specs = MartSpecs(*translate(json.loads(manifest)))
        _keep(file, rests_on.digest(), specs)
    for name, installed in libraries.items():
        # As an import would: Dagster shows which libraries a code location stands on.
        DagsterLibraryRegistry.register(name, installed, is_dagster_package=False)
    return specs


def _kept(file: Path, rests_on: bytes) -> MartSpecs | None:
    try:
        stored = file.read_bytes()
    except OSError:
        return None
    seal, content = stored[:32], stored[32:]
    if seal != _seal(rests_on, content):
        return None
    kept: MartSpecs = pickle.loads(content)  # noqa: S301  # the seal says that it is what was written here
    return kept


def _keep(file: Path, rests_on: bytes, specs: MartSpecs) -> None:
    """Write it beside its place and rename it there, so that nobody reads half of it."""
    content = pickle.dumps(specs)
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix="specs-") as scratch:
            made = Path(scratch, file.name)
            made.write_bytes(_seal(rests_on, content) + content)
            made.replace(file)
    except OSError as error:
        log.warning("%s cannot be written, so that every run starts seconds later: %s", file, error)


def _seal(rests_on: bytes, content: bytes) -> bytes:
    """What a file begins with whose content is whole and up to date."""
    return hashlib.sha256(rests_on + content).digest()
