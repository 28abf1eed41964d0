"""The files of a server's services: every program, option, path, port and variable in them exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer
import yaml
from dagster._core.workspace.config_schema import process_workspace_config

from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines_tests.deploy.services import COMMON, DEPLOY, EXAMPLE, UNITS, Service, example, services

ROOT = DEPLOY.parents[1]
DOCKER = DEPLOY / "docker"
INSTALLED = "/opt/impulsum/"
#: Other variables, read by Dagster and by PostgreSQL's client.
OTHERS = {"DAGSTER_HOME", "DAGSTER_POSTGRES_URL", "PGPASSWORD", "PGTZ"}
OURS = set(Settings.variables())
COMMANDS = [(service, key) for service in services() for key in ("ExecStartPre", "ExecStart") if service.command(key)]
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SYSTEMD = shutil.which("systemd-analyze")
CONTAINERS = {name: container for name, container in COMPOSE["services"].items() if name != "postgres"}


def options(line: list[str]) -> dict[str, Any]:
    """The options of a command line, parsed by the program itself; nothing is run.

    Raises:
        click.UsageError: the program does not know one of the words.
    """
    (script,) = entry_points(group="console_scripts", name=Path(line[0]).name)
    assert script.dist and script.dist.name.startswith(("impulsum", "dagster"))
    script.load()
    module = sys.modules[script.module]
    command: Any = typer.main.get_command(module.app) if script.module.startswith("impulsum") else module.cli
    name, left = script.name, line[1:]
    while hasattr(command, "resolve_command"):
        context = command.make_context(name, left)
        name, command, left = command.resolve_command(
            context, [*getattr(context, "_protected_args", ()), *context.args]
        )
    return dict(command.make_context(name, left).params)


def here(words: list[str]) -> list[str]:
    """Replace installed paths by those in this repository; each must exist."""
    placed = [str(ROOT / word.removeprefix(INSTALLED)) if word.startswith(INSTALLED) else word for word in words]
    assert [word for word in placed[1:] if word.startswith("/") and not Path(word).exists()] == []
    return placed


@pytest.mark.parametrize(("service", "key"), COMMANDS, ids=lambda value: getattr(value, "name", value))
def test_a_unit_runs_a_program_of_this_environment_on_loopback(service: Service, key: str) -> None:
    command = service.command(key)
    assert command and command[0].startswith(f"{INSTALLED}.venv/bin/")
    assert options(here(command)).get("host") in {None, "127.0.0.1"}
    assert "--port" not in command or "--host" in command, "named, so that a default cannot change it"


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
def test_a_unit_is_restarted_and_has_few_privileges(service: Service) -> None:
    assert (service.value("Restart"), service.value("User")) == ("always", "impulsum")
    assert (service.value("NoNewPrivileges"), service.value("ProtectSystem")) == ("yes", "strict")
    assert service.value("EnvironmentFile") == "/etc/impulsum/impulsum.env"
    assert int(service.value("TimeoutStopSec")) <= 90
    target = (UNITS / "impulsum.target").read_text()
    assert f"{service.name}.service" in target
    assert "impulsum.target" in service.settings["Unit.PartOf"]


def test_daemon_and_webserver_start_after_code_server_and_database_and_the_receiver_waits_for_neither() -> None:
    after = {service.name: " ".join(service.settings["Unit.After"]) for service in services()}
    for name in ("impulsum-daemon", "impulsum-webserver"):
        assert "impulsum-code.service" in after[name]
    assert {name for name, units in after.items() if "postgresql.service" in units} == {
        *("impulsum-code", "impulsum-daemon", "impulsum-webserver")
    }


@pytest.mark.parametrize(("workspace", "host"), [(DEPLOY, "127.0.0.1"), (DOCKER, "code")])
def test_the_workspace_points_to_the_code_server(workspace: Path, host: str) -> None:
    config = yaml.safe_load((workspace / "workspace.yaml").read_text())
    assert process_workspace_config(config).success
    (location,) = config["load_from"]
    code = next(service for service in services() if service.name == "impulsum-code").command("ExecStart")
    assert code and str(location["grpc_server"]["port"]) in code
    assert str(location["grpc_server"]["port"]) in COMPOSE["services"]["code"]["command"]
    assert location["grpc_server"]["host"] == host
    # The name of `make dev`: a schedule that was switched off in one stays off in the other.
    (dev,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert location["grpc_server"]["location_name"] == dev["python_module"]


@pytest.mark.skipif(not SYSTEMD, reason="systemd is not on this machine")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = tmp_path / "units"
    shutil.copytree(UNITS, units)
    for path in units.rglob("*"):
        if path.is_file():  # systemd checks that the programs exist
            path.write_text(re.sub(r"/opt/impulsum/\.venv/bin/\S+", "/bin/true", path.read_text()))
    done = subprocess.run(
        [str(SYSTEMD), "verify", "--man=no", *map(str, [*units.glob("*.service"), *units.glob("*.target")])],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "impulsum" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_runs_a_program_of_the_image(name: str) -> None:
    words = [str(word) for word in CONTAINERS[name]["command"]]
    found = options(here([f"{INSTALLED}.venv/bin/{words[0]}", *words[1:]]))
    for published in CONTAINERS[name].get("ports", ()):
        address, outside, inside = published.split(":")
        assert (address, outside, found["host"]) == ("127.0.0.1", inside, "0.0.0.0")  # noqa: S104
        assert int(inside) == found["port"]
    if check := CONTAINERS[name].get("healthcheck"):
        assert check["test"][0] == "CMD"
        options(check["test"][1:])


def test_units_and_containers_run_the_same_programs_on_the_same_ports() -> None:
    def without_places(words: list[str]) -> list[str]:
        hosts = {"127.0.0.1": "", "0.0.0.0": ""}  # noqa: S104
        return [hosts.get(word, Path(word).name) for word in words]

    units = {service.name.removeprefix("impulsum-"): service.command("ExecStart") or [] for service in services()}
    containers = {name: list(map(str, container["command"])) for name, container in CONTAINERS.items()}
    assert without_places(containers.pop("home")) == ["impulsum", "dagster-home"]
    assert {name: without_places(words) for name, words in containers.items()} == {
        name: without_places(words) for name, words in units.items()
    }


def test_compose_names_only_existing_things_and_no_secret() -> None:
    for name, container in COMPOSE["services"].items():
        assert set(container.get("depends_on", ())) <= set(COMPOSE["services"]), name
        for volume in container["volumes"]:
            outside = volume.split(":")[0]
            assert (DOCKER / outside).exists() if outside.startswith(".") else outside in COMPOSE["volumes"], name
        assert container["env_file"].startswith("/etc/impulsum/"), name
        assert container["restart"] == ("no" if name == "home" else "unless-stopped"), name
    for container in CONTAINERS.values():
        assert (DOCKER / container["build"]["context"]).resolve() == ROOT
        assert (ROOT / container["build"]["dockerfile"]).exists()
        assert set(container["environment"]) <= OURS | OTHERS | {"TINI_KILL_PROCESS_GROUP"}
        assert not any(re.search(r"://\w+:", value) for value in container["environment"].values()), "no password"
    assert "ports" not in COMPOSE["services"]["postgres"]


def test_the_image_has_only_locked_packages_and_an_unprivileged_user() -> None:
    made = (DOCKER / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", made, re.MULTILINE)) == {"python:3.11-slim"}
    copied = {word for line in re.findall(r"^COPY (.+) \S+$", made, re.MULTILINE) for word in line.split()}
    allowed = set(re.findall(r"^!(.+)$", (DOCKER / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert copied == allowed
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert "--require-hashes" in made and "--no-index" in made
    assert re.findall(r"^USER (.+)$", made, re.MULTILINE)[-1] == "impulsum"


def test_the_example_environment_has_only_real_settings_and_every_secret() -> None:
    shown = set(example(commented=True))
    assert shown <= OURS | OTHERS
    assert shown >= OTHERS and example()["PGTZ"] == "UTC"
    secrets = {name for name, field in Settings.variables().items() if "SecretStr" in str(field.annotation)}
    assert secrets | {"JIRA_BASE_URL", "JIRA_EMAIL", "GITHUB_REPOSITORIES"} <= shown
    shared = " ".join(next(iter(services())).settings["Service.Environment"])
    assert set(re.findall(r"\b([A-Z_0-9]+)=", shared)) <= {
        "PYTHONUTF8",
        "PYTHONUNBUFFERED",
        "DAGSTER_DISABLE_TELEMETRY",
    }


def test_the_example_environment_is_read_alike_by_a_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    everything = tmp_path / "impulsum.env"
    everything.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    show = f"set -a; . {everything}; exec env -0"
    done = subprocess.run(["/bin/sh", "-euc", show], env={}, capture_output=True, text=True, check=True)
    read = dict(line.split("=", 1) for line in done.stdout.rstrip("\0").split("\0"))
    assert {name: read[name] for name in example(commented=True)} == example(commented=True)
    for name, value in read.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert str(settings.home) == "/var/lib/impulsum"
    assert len(settings.impulsum_alert_channels) == 2


@pytest.mark.parametrize("where", [example(), CONTAINERS["code"]["environment"]], ids=["units", "containers"])
def test_the_addresses_of_the_databases_name_an_installed_driver(where: dict[str, str]) -> None:
    for name, database in (("IMPULSUM_OPS_URL", "impulsum"), ("DAGSTER_POSTGRES_URL", "dagster")):
        engine = sa.create_engine(where[name])
        assert (engine.dialect.name, engine.url.database) == ("postgresql", database)


def test_the_page_on_production_names_only_existing_things() -> None:
    page = (ROOT / "docs" / "production.md").read_text()
    commands = set(re.findall(r"`impulsum ([a-z ]+)`", page))
    assert len(commands) > 7
    for command in commands:
        options(["impulsum", *command.split()])
    named = set(re.findall(r"(?:/opt/impulsum/|\.\./)(impulsum_pipelines/[\w./-]+)", page))
    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_shell_script_uses_the_same_places() -> None:
    script = (DEPLOY / "impulsum.sh").read_text()
    assert os.access(DEPLOY / "impulsum.sh", os.X_OK)
    assert f"{INSTALLED}.venv/bin/" in script
    assert "/etc/impulsum/impulsum.env" in script and "/etc/impulsum/impulsum.env" in COMMON.read_text()
    assert subprocess.run(["/bin/sh", "-n", DEPLOY / "impulsum.sh"], check=False).returncode == 0
