"""What Dagster is told of the marts: kept, equal to what dagster-dbt says, and never out of date."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from impulsum_pipelines.marts import specs as kept
from impulsum_pipelines.marts.manifest import fresh_manifest, manifest_text
from impulsum_pipelines.marts.specs import mart_specs

pytestmark = pytest.mark.xdist_group("definitions")

ISSUES = dg.AssetKey(["core", "issues"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of which only the manifest is left, which is that of the real one."""
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "manifest.json").write_bytes(manifest_text())
    return tmp_path


def description(project: Path) -> str | None:
    """What is said of ``core/issues``."""
    return next(spec.description for spec in mart_specs(project).assets if spec.key == ISSUES)


def described(project: Path, as_: str) -> None:
    """Write a manifest that says something else of ``core/issues``."""
    manifest = fresh_manifest()
    manifest["nodes"]["model.impulsum.issues"]["description"] = as_
    (project / "target" / "manifest.json").write_text(json.dumps(manifest))


def facts(spec: dg.AssetSpec) -> dict[str, Any]:
    """All that a spec says, its dependencies in the order of their keys, without what only dagster-dbt reads."""
    said = {name: getattr(spec, name) for name in spec._fields}
    said["deps"] = sorted(spec.deps, key=lambda dep: dep.asset_key)
    said["metadata"] = {
        key: value
        for key, value in spec.metadata.items()
        if key not in {"dagster_dbt/manifest", "dagster_dbt/dagster_dbt_translator"}
    }
    return said


def test_what_is_kept_is_what_dagster_dbt_says(project: Path) -> None:
    from dagster_dbt import dbt_assets

    from impulsum_pipelines.marts.translation import (
        WHAT_MARTS_NEED,
        Translator,
        describe_columns,
        describe_tests,
    )

    mart_specs(project)
    specs = mart_specs(project)  # read from the file
    manifest = fresh_manifest()
    describe_tests(manifest)
    describe_columns(manifest)

    @dbt_assets(manifest=manifest, select=WHAT_MARTS_NEED, dagster_dbt_translator=Translator())
    def marts() -> Any:
        yield

    assert {spec.key: facts(spec) for spec in specs.assets} == {spec.key: facts(spec) for spec in marts.specs}
    assert {spec.key: spec for spec in specs.checks} == {spec.key: spec for spec in marts.check_specs}
    assert len(specs.assets) > 50 and len(specs.checks) > 50


def test_it_is_made_again_when_what_it_rests_on_changed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> int:
        return (project / "target" / "marts.pickle").stat().st_ino

    before = description(project)
    first = written()
    assert (description(project), written()) == (before, first), "made again without a change"

    described(project, "Something else.")
    assert description(project) == "Something else."

    described(project, "Once more.")
    assert description(project) == "Once more."
    second = written()
    monkeypatch.setattr(kept, "version", lambda name: version(name) + ".post1")
    assert description(project) == "Once more."
    assert written() != second, "kept from another version of dagster-dbt"


def test_a_file_that_cannot_be_used_costs_time_alone(project: Path) -> None:
    file = project / "target" / "marts.pickle"
    before = description(project)
    damaged = file.read_bytes()[:-1]
    file.write_bytes(damaged)
    assert description(project) == before
    assert file.read_bytes() != damaged, "left as it is, it would cost every run the same"

    file.unlink()
    file.mkdir()  # so that it can neither be read nor written
    assert description(project) == before
