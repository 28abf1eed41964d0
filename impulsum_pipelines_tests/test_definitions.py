"""The code location as Dagster loads it: complete, without errors, and cheap to import."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import dagster as dg
import pytest
import yaml

from impulsum_pipelines import deploy
from impulsum_pipelines.definitions import build_definitions, build_source_definitions, warn_of_temporary_history
from impulsum_pipelines.loading.raw import METADATA_TABLES
from impulsum_pipelines.marts.manifest import fresh_manifest
from impulsum_pipelines.marts.specs import mart_specs
from impulsum_pipelines.publishing.release import MART_SCHEMAS
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.places import ROOT

pytestmark = pytest.mark.xdist_group("definitions")  # loaded once for the whole file


IMPORT_WITHOUT_NETWORK = """
import socket, sys
from impulsum_pipelines_tests.places import ROOT

def refuse(*_, **__):
    raise OSError("no network at import")

socket.socket.connect = refuse
socket.create_connection = refuse
socket.getaddrinfo = refuse

from impulsum_pipelines.definitions import defs

defs().get_repository_def().get_job("jira_sync")
early = {"dlt", "pyarrow", "duckdb", "dagster_dlt", "pandas", "starlette", "dbt", "dagster_dbt"} & set(sys.modules)
assert not early, f"imported to load the code location: {early}"
"""


@cache
def definitions() -> dg.Definitions:
    return build_definitions()


@cache
def graph() -> dg.RepositoryDefinition:
    return definitions().get_repository_def()


def test_import_needs_no_environment_no_network_and_no_dbt(tmp_path: Path) -> None:
    """Each run imports the code location: a package that only some runs need must not delay every pull."""
    mart_specs()
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITHOUT_NETWORK],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "PATH": os.defpath, "IMPULSUM_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home").exists(), "import must not touch the state folder"


def test_dg_checks_the_definitions(tmp_path: Path) -> None:
    """``dg check defs`` loads the code location as ``dagster dev`` does."""
    dg_command = Path(sys.executable).with_name("dg")
    done = subprocess.run(
        [str(dg_command), "check", "defs"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(deploy.install(tmp_path / "dagster").parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully" in done.stdout


def test_every_way_to_start_dagster_names_one_code_location() -> None:
    """Runs of the shell, of ``make dev``, of ``dg dev`` and of the services share one history only then."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    module = project["code_location_target_module"]
    assert project["code_location_name"] == module == deploy.LOCATION
    [local] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert local == {"python_module": module}
    for file in Path(deploy.__file__).parent.rglob("workspace.yaml"):
        [server] = yaml.safe_load(file.read_text())["load_from"]
        assert server["grpc_server"]["location_name"] == module


def test_a_history_that_is_not_kept_is_announced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/somewhere")
    warn_of_temporary_history()
    monkeypatch.delenv("DAGSTER_HOME")
    warn_of_temporary_history()
    assert not caplog.messages, "only `dagster dev` makes a temporary folder"
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    warn_of_temporary_history()
    [warning] = caplog.messages
    assert "is deleted at the end" in warning and "make dev" in warning


def test_every_asset_has_an_owner_a_group_and_a_description() -> None:
    assets = graph().asset_graph
    groups = set()
    for key in assets.get_all_asset_keys():
        node = assets.get(key)
        assert node.owners, f"{key.to_user_string()} has no owner"
        assert node.description, f"{key.to_user_string()} has no description"
        groups.add(node.group_name)
    expected = {
        "staging",
        "intermediate",
        "core",
        "velocity",
        "risk",
        "quality",
        "restricted",
        "published",
        "alerts",
        "webhooks",
        "freshness",
    }
    assert groups == expected | {source.name for source in SOURCES}


def test_every_asset_says_its_layer_its_cadence_and_where_it_is_made() -> None:
    assets = graph().asset_graph
    for key in assets.get_all_asset_keys():
        node = assets.get(key)
        assert {"layer", "cadence"} <= set(node.tags), f"{key.to_user_string()} has the tags {node.tags}"
        links = node.metadata["dagster/code_references"].code_references
        assert links and all(Path(link.file_path).is_file() for link in links), f"{key.to_user_string()}: {links}"
    model = assets.get(dg.AssetKey(["velocity", "sprint_velocity"]))
    assert (model.tags["layer"], model.tags["cadence"]) == ("mart", "every-2-hours")
    assert [Path(link.file_path).name for link in model.metadata["dagster/code_references"].code_references] == [
        "sprint_velocity.sql",
        "_velocity__models.yml",
    ]


def test_what_people_read_has_a_deadline_and_an_owner_of_its_area() -> None:
    assets = graph().asset_graph
    for key in assets.get_all_asset_keys():
        if key.path[0] in {*MART_SCHEMAS, "published", "alerts"}:
            assert assets.get(key).freshness_policy, f"{key.to_user_string()} may be of any age"
    owners = {
        area: assets.get(dg.AssetKey([area, name])).owners
        for area, name in (
            ("velocity", "sprint_velocity"),
            ("quality", "freshness"),
            ("restricted", "private_messages"),
            ("jira", "issues"),
        )
    }
    assert owners == {
        "velocity": ["team:delivery-analytics"],
        "quality": ["team:data-quality"],
        "restricted": ["team:data-privacy"],
        "jira": ["team:data-platform"],
    }


def test_dbt_reads_only_raw_assets_that_exist() -> None:
    """A dbt source that is not an asset here would be shown as an external one, and no job would load it."""
    existing = {
        (source.name, name)
        for source in SOURCES
        for name in (*(table.name for table in tables(source.name)), *METADATA_TABLES)
    }
    read = {(source["source_name"], source["name"]) for source in fresh_manifest()["sources"].values()}
    assert read <= existing


def test_raw_assets_are_those_of_the_dlt_source() -> None:
    """The specs are written without dlt, so that no run imports it; they must list the tables that dlt loads."""
    for source in SOURCES:
        keys = {key for key in graph().asset_graph.materializable_asset_keys if key.path[0] == source.name}
        assert keys == {dg.AssetKey([source.name, table.name]) for table in tables(source.name)}


def test_publishing_waits_for_every_mart() -> None:
    assets = graph().asset_graph
    published = assets.get(dg.AssetKey(["published", "impulsum"]))
    marts = {key for key in assets.get_all_asset_keys() if key.path[0] in MART_SCHEMAS}
    assert marts
    assert published.parent_keys == marts


def test_the_jobs_are_the_documented_ones() -> None:
    jobs = {job.name: job for job in graph().get_all_jobs() if not job.name.startswith("__")}
    assert set(jobs) == {
        "main",
        "build",
        "nightly",
        "risk",
        "rebuild",
        "sprint_refresh",
        "maintenance",
        *(f"{source.name}_sync" for source in SOURCES),
    }
    everything = graph().asset_graph.materializable_asset_keys
    assert jobs["main"].asset_layer.selected_asset_keys == everything
    assert {key.path[0] for key in jobs["jira_sync"].asset_layer.selected_asset_keys} == {"jira"}


def test_a_pull_does_not_start_dbt() -> None:
    job = graph().get_job("jira_sync")
    assert {node.name for node in job.nodes} == {"jira_pull", "jira_checks"}


def test_a_sync_from_the_shell_is_the_job_of_the_code_location() -> None:
    """The shell uses fewer definitions, to start sooner; both must have the history of one job."""
    alone = build_source_definitions().resolve_job_def("jira_sync")
    assert alone.get_job_snapshot_id() == graph().get_job("jira_sync").get_job_snapshot_id()


@pytest.mark.exhaustive
def test_the_manifest_is_parsed_again_only_after_a_change(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: small\nprofile: small\n")
    (project / "profiles.yml").write_text("small: {target: t, outputs: {t: {type: duckdb, path: ':memory:'}}}\n")
    (project / "models" / "one.sql").write_text("select 1 as id")
    assert set(fresh_manifest(project)["nodes"]) == {"model.small.one"}

    parsed = (project / "target" / "manifest.json").stat()
    fresh_manifest(project)
    assert (project / "target" / "manifest.json").stat().st_ino == parsed.st_ino, "parsed although nothing changed"

    (project / "models" / "two.sql").write_text("select 2 as id")
    assert set(fresh_manifest(project)["nodes"]) == {"model.small.one", "model.small.two"}
    (project / "models" / "one.sql").unlink()
    assert set(fresh_manifest(project)["nodes"]) == {"model.small.two"}


def test_the_installed_profile_is_one_that_dagster_reads(tmp_path: Path) -> None:
    config = deploy.install(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
    config.write_text("telemetry: {enabled: false}\n")
    deploy.install(tmp_path)
    assert config.read_text() == "telemetry: {enabled: false}\n", "an existing configuration is kept"
