"""The shipped systemd units, parsed as systemd parses them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from impulsum_pipelines import deploy

DEPLOY = Path(deploy.__file__).parent
UNITS = DEPLOY / "systemd"
#: The settings that all units share, and the example of their environment file.
COMMON = UNITS / "impulsum-.service.d" / "impulsum.conf"
EXAMPLE = DEPLOY / "impulsum.env.example"


@dataclass(frozen=True)
class Service:
    """One service.

    Args:
        name: such as ``impulsum-daemon``.
        settings: the values of each ``Section.Key``, of the unit and then of the shared settings.
    """

    name: str
    settings: Mapping[str, tuple[str, ...]]

    def command(self, key: str, paths: Mapping[str, str] | None = None) -> list[str] | None:
        """The words of a command such as ``ExecStart``, with its paths replaced; None when the unit has none."""
        (line,) = self.settings.get(f"Service.{key}", (None,))
        if line is None:
            return None
        for path, other in (paths or {}).items():
            line = line.replace(path, other)
        return shlex.split(line)

    def value(self, key: str) -> str:
        """The value of a key of ``[Service]``: the last one counts."""
        return self.settings[f"Service.{key}"][-1]


def services() -> list[Service]:
    """Every service, in the order in which they start."""
    shared = list(_lines(COMMON))
    found = [_service(path, shared) for path in sorted(UNITS.glob("*.service"))]
    return sorted(found, key=lambda service: "impulsum-code.service" in " ".join(service.settings["Unit.After"]))


def example(*, commented: bool = False) -> dict[str, str]:
    """The variables that the example file sets; with ``commented`` also those that are commented out."""
    names = {}
    for line in EXAMPLE.read_text().splitlines():
        name, separator, value = line.removeprefix("#" if commented else "").partition("=")
        if separator and name.isupper() and " " not in name:
            names[name] = value.strip("'")
    return names


def _service(path: Path, shared: list[tuple[str, str]]) -> Service:
    settings: dict[str, tuple[str, ...]] = {}
    for key, value in [*_lines(path), *shared]:
        settings[key] = (*settings.get(key, ()), value)
    return Service(path.stem, settings)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield f"{section}.{key}", value
