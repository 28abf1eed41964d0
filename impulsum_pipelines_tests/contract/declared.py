"""What the code declares: assets, checks, jobs, schedules, sensors, settings and commands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines_tests.conftest import isolate
from impulsum_pipelines_tests.contract import Contract


def declared(folder: Path) -> Contract:
    """The sections of :data:`DECLARED`, of the code as it is without any setting."""
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        return {**_code_location(), "settings": _settings(), "commands": _commands()}


def _code_location() -> Contract:
    """What Dagster sees: assets, checks, jobs, schedules and sensors."""
    from impulsum_pipelines.base.home import Home
    from impulsum_pipelines.definitions import build_definitions
    from impulsum_pipelines.settings import load_settings

    first_day = Home.of(load_settings()).first_day  # without it, partitions begin yesterday
    first_day.parent.mkdir(parents=True, exist_ok=True)
    first_day.write_text("2010-01-01")
    location = build_definitions().get_repository_def()
    graph = location.asset_graph
    assets = {key: graph.get(key) for key in graph.get_all_asset_keys()}
    return {
        "assets": {
            key.to_user_string(): {
                "group": node.group_name,
                "kinds": ", ".join(sorted(node.kinds)),
                "partitions": _partitions(node.partitions_def),
                "is materialized": node.is_materializable,
                "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            }
            for key, node in assets.items()
        },
        "asset checks": {
            f"{key.asset_key.to_user_string()} {key.name}": "blocking" if graph.get(key).blocking else "not blocking"
            for key in graph.asset_check_keys
        },
        "jobs": {
            job.name: {
                "assets": _counted(assets[key].group_name for key in job.asset_layer.selected_asset_keys),
                "checks": len(job.asset_layer.asset_graph.asset_check_keys),
                "ops": sorted(node.name for node in job.nodes),
                "partitions": _partitions(job.partitions_def),
                "tags": dict(job.tags),
            }
            for job in location.get_all_jobs()
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "zone": schedule.execution_timezone,
                "job": schedule.job_name,
                "at first": schedule.default_status.value,
            }
            for schedule in location.schedule_defs
        },
        "sensors": {
            sensor.name: {
                "every (s)": sensor.minimum_interval_seconds,
                "jobs": sorted(target.job_name for target in sensor.targets or ()),
                "at first": sensor.default_status.value,
            }
            for sensor in location.sensor_defs
        },
    }


def _partitions(definition: object) -> str | None:
    return str(definition) if definition else None


def _counted(names: Iterable[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for name in names:
        counted[name] = counted.get(name, 0) + 1
    return counted


def _settings() -> Contract:
    """Every environment variable with its type and default."""
    from impulsum_pipelines.settings import Settings

    return {
        name: f"{_type(field.annotation)}, default {_default(field.default)}"
        for name, field in Settings.variables().items()
    }


def _commands() -> Contract:
    """Every command with its options and arguments, by the words in which they are typed."""
    from typer.main import get_command

    from impulsum_pipelines.cli import app

    found: Contract = {}

    def walk(command: Any, words: str) -> None:
        found[words] = {_typed(parameter): _parameter(parameter) for parameter in command.params}
        for name, below in getattr(command, "commands", {}).items():
            walk(below, f"{words} {name}")

    walk(get_command(app), "impulsum")
    return found


def _typed(parameter: Any) -> str:
    is_option = parameter.opts[0].startswith("-")
    return " ".join((*parameter.opts, *parameter.secondary_opts)) if is_option else str(parameter.name).upper()


def _parameter(parameter: Any) -> str:
    parts = [_type(parameter.type_descriptor.annotation)]
    parts += ["required" if parameter.required else f"default {_default(parameter.default)}"]
    parts += [fact for fact in ("multiple", "is_flag", "hidden") if getattr(parameter, fact, False)]
    parts += [f"{bound} {value}" for bound in ("min", "max") if (value := _bound(parameter, bound)) is not None]
    parts += [f"of {parameter.envvar}"] if parameter.envvar else []
    return ", ".join(parts)


def _bound(parameter: Any, bound: str) -> object:
    return getattr(parameter.type_descriptor.parameter_info, bound, None)


def _type(annotation: Any) -> str:
    """A type without the modules that it is from: those are free to move."""
    plain = annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else annotation
    return re.sub(r"\b(?:[a-z_]\w*\.)+", "", str(plain))


def _default(value: object) -> str:
    return "none" if value is None or value == () else str(value)
