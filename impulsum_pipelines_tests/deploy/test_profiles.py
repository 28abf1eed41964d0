"""The two profiles of Dagster: the file that is installed, and an instance that it makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test

from impulsum_pipelines import deploy


def test_without_a_database_storage_is_beside_the_data(tmp_path: Path) -> None:
    config = deploy.install(tmp_path / "dagster")
    assert "storage" not in yaml.safe_load(config.read_text())
    with dg.DagsterInstance.from_config(str(config.parent)) as instance:
        run = create_run_for_test(instance)
        assert instance.get_run_by_id(run.run_id)
    assert (config.parent / "history").exists()


def test_on_postgresql_everything_else_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_server: Any
) -> None:
    embedded = yaml.safe_load(deploy.install(tmp_path / "embedded").read_text())
    with postgres_server.database() as url:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
        config = deploy.install(tmp_path / "server")
        assert url not in config.read_text(), "the address holds a password"
        server = yaml.safe_load(config.read_text())
        assert server.pop("storage")
        assert server == embedded
        with dg.DagsterInstance.from_config(str(config.parent)) as instance:
            run = create_run_for_test(instance)
            assert instance.get_run_by_id(run.run_id)
            assert re.search("postgres", type(instance.run_storage).__name__, re.IGNORECASE)
        with dg.DagsterInstance.from_config(str(config.parent)) as again:
            assert again.get_run_by_id(run.run_id)


def test_a_configuration_of_ones_own_is_kept(tmp_path: Path) -> None:
    own = tmp_path / "dagster.yaml"
    own.write_text("telemetry: {enabled: false}\n")
    assert deploy.install(tmp_path) == own
    assert own.read_text() == "telemetry: {enabled: false}\n"
