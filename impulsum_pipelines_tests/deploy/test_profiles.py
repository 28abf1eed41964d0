"""The two profiles of Dagster: the installed file, and an instance with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from impulsum_pipelines import deploy
from impulsum_pipelines.automation.jobs import build_sync_jobs
from impulsum_pipelines_tests.bench.dagster_dev import free_port
from impulsum_pipelines_tests.conftest import on_sqlite


@on_sqlite
def test_without_a_database_storage_is_beside_the_data(tmp_path: Path) -> None:
    config = deploy.install(tmp_path / "dagster")
    assert "storage" not in yaml.safe_load(config.read_text())
    with dg.DagsterInstance.from_config(str(config.parent)) as instance:
        run = create_run_for_test(instance)
        assert instance.get_run_by_id(run.run_id)
    assert (config.parent / "history").exists()


@on_sqlite
def test_on_postgresql_everything_else_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_server: Any
) -> None:
    embedded = yaml.safe_load(deploy.install(tmp_path / "embedded").read_text())
    with postgres_server.database() as url:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
        config = deploy.install(tmp_path / "server")
        assert url not in config.read_text(), "the address contains a password"
        server = yaml.safe_load(config.read_text())
        assert server.pop("storage")
        assert server == embedded
        with dg.DagsterInstance.from_config(str(config.parent)) as instance:
            run = create_run_for_test(instance)
            assert instance.get_run_by_id(run.run_id)
            assert re.search("postgres", type(instance.run_storage).__name__, re.IGNORECASE)
        with dg.DagsterInstance.from_config(str(config.parent)) as again:
            assert again.get_run_by_id(run.run_id)


def test_a_users_own_configuration_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://nowhere/dagster")
    first_line, rest = deploy.PROFILE.read_text().split("\n", 1)
    for text in ("telemetry: {enabled: false}\n", rest):
        own = tmp_path / "dagster.yaml"
        own.write_text(text)
        assert deploy.install(tmp_path) == own
        assert own.read_text() == text
    own.write_text(f"{first_line}\ntelemetry: {{enabled: true}}\n")
    assert "storage:" in deploy.install(tmp_path).read_text(), "one of an earlier version is brought up to date"


@on_sqlite
def test_storage_moves_to_postgresql_and_not_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def storage() -> Any:
        return yaml.safe_load(deploy.install(tmp_path).read_text()).get("storage")

    assert storage() is None
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://nowhere/dagster")
    on_postgresql = storage()
    assert on_postgresql == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    monkeypatch.delenv("DAGSTER_POSTGRES_URL")
    assert storage() == on_postgresql, "a shell without the variable must not change the storage of the services"


def test_only_the_code_server_knows_that_the_process_of_a_run_is_gone(tmp_path: Path) -> None:
    config, port = deploy.install(tmp_path / "dagster"), free_port()
    (tmp_path / "nothing.py").write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
    command = ("-m", "dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port), "-f", str(tmp_path / "nothing.py"))
    where = {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": port})}
    with dg.DagsterInstance.from_config(str(config.parent)) as instance:
        started, of_a_shell = (
            create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags) for tags in (where, {})
        )

        def health(run: dg.DagsterRun) -> str:
            return instance.run_launcher.check_run_worker_health(run).status.name

        assert health(started) == "RUNNING", "unknown while the code server is down"
        with subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            try:
                until = time.monotonic() + 60
                while health(started) != "FAILED":
                    assert time.monotonic() < until, "the code server answers that it does not have the run"
                    time.sleep(0.1)
                assert health(of_a_shell) == "RUNNING"
            finally:
                server.kill()


def test_pulls_that_wait_for_a_network_leave_room_for_a_build(instance: dg.DagsterInstance) -> None:
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("impulsum"), "__repository__")

    def queued(job: str, tags: dict[str, str]) -> dg.DagsterRun:
        origin = RemoteJobOrigin(place, job)
        return create_run_for_test(
            instance, job_name=job, tags=tags, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin
        )

    for job in build_sync_jobs():
        queued(job.name, dict(job.tags or {}))
    build = queued("build", {"dagster/priority": "-1"})
    due = QueuedRunCoordinatorDaemon(interval_seconds=1)._get_runs_to_dequeue(
        instance, instance.get_concurrency_config(), fixed_iteration_time=None
    )
    assert len(due) == 4 and build.run_id in {run.run_id for run in due}
