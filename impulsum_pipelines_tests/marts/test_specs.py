"""The cached specs of the marts: equal to those of dagster-dbt, and never out of date."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from impulsum_pipelines.marts import specs as cached
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
    """The description of ``core/issues``."""
    return next(spec.description for spec in mart_specs(project).assets if spec.key == ISSUES)


def described(project: Path, as_: str) -> None:
    """Write a manifest that describes ``core/issues`` otherwise."""
    manifest = fresh_manifest()
    manifest["nodes"]["model.impulsum.issues"]["description"] = as_
    (project / "target" / "manifest.json").write_text(json.dumps(manifest))


def facts(spec: dg.AssetSpec) -> dict[str, Any]:
    """Every field of a spec, its dependencies in the order of their keys, without what only dagster-dbt reads."""
    fields = {name: getattr(spec, name) for name in spec._fields}  # type: ignore[attr-defined]  # Dagster makes it
    fields["deps"] = sorted(spec.deps, key=lambda dep: dep.asset_key)
    fields["metadata"] = {
        key: value
        for key, value in spec.metadata.items()
        if key not in {"dagster_dbt/manifest", "dagster_dbt/dagster_dbt_translator"}
    }
    return fields


def test_cached_specs_are_those_of_dagster_dbt(project: Path) -> None:
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

    @dbt_assets(  # type: ignore[untyped-decorator]
        manifest=manifest, select=WHAT_MARTS_NEED, dagster_dbt_translator=Translator()
    )
    def marts() -> Any:
        yield

    assert {spec.key: facts(spec) for spec in specs.assets} == {spec.key: facts(spec) for spec in marts.specs}
    assert {spec.key: spec for spec in specs.checks} == {spec.key: spec for spec in marts.check_specs}
    assert len(specs.assets) > 50 and len(specs.checks) > 50


def test_specs_are_made_again_when_an_input_changed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> int:
        return (project / "target" / "marts.json").stat().st_ino

    before = description(project)
    first = written()
    assert (description(project), written()) == (before, first), "made again without a change"

    described(project, "Something else.")
    assert description(project) == "Something else."

    described(project, "Once more.")
    assert description(project) == "Once more."
    second = written()
    monkeypatch.setattr(cached, "version", lambda name: version(name) + ".post1")
    assert description(project) == "Once more."
    assert written() != second, "cached by another version of dagster-dbt"


def test_a_damaged_cache_only_costs_time(project: Path) -> None:
    file = project / "target" / "marts.json"
    before = description(project)
    damaged = file.read_bytes()[:-1]
    file.write_bytes(damaged)
    assert description(project) == before
    assert file.read_bytes() != damaged, "the cache was not written again"

    whole = file.read_text()
    file.write_text(whole.replace('"TableSchema"', '"NotOfThisDagster"'))
    assert description(project) == before
    assert file.read_text() == whole

    file.unlink()
    file.mkdir()  # so that it can neither be read nor written
    assert description(project) == before
