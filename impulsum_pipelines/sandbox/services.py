"""The services other than Jira. Each has its own folder, whose module ``service`` has two functions:

- ``env(url)`` returns the settings that point the source at the sandbox at ``url``;
- ``build_service(team)`` returns the service itself, with the team's history in it.

A service is built at its first request: a pull of Jira alone does not wait for the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from starlette.types import ASGIApp

from impulsum_pipelines.sandbox.team import Team
from impulsum_pipelines.tiers import SOURCES

#: The folders, named like the sources. Paths of a service begin with its name; all other paths are Jira's.
NAMES: tuple[str, ...] = tuple(source.name for source in SOURCES if source.name != "jira")


class Service(Protocol):
    """One service of the sandbox.

    Attributes:
        app: checks the credentials of a request and answers it; its paths begin with the service's name.
        control: its public methods are its verbs at the control door, ``POST /_sandbox/<name>/<verb>``. One of them
            is ``truth()``: every record that the source must have stored now, by raw table and id.
    """

    app: ASGIApp
    control: Any


def services_env(url: str) -> dict[str, str]:
    """The settings that point every source except Jira at the sandbox at ``url``."""
    return {name: value for service in NAMES for name, value in _module(service).env(url).items()}


class Services:
    """The services of one world; each is built once, when it is first needed."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self._built: dict[str, Service] = {}

    def __getitem__(self, name: str) -> Service:
        """The service with this name.

        Raises:
            KeyError: there is none.
        """
        if name not in NAMES:
            raise KeyError(name)
        if name not in self._built:
            self._built[name] = _module(name).build_service(self.team)
        return self._built[name]

    def of(self, path: str) -> Service | None:
        """The service that a path belongs to; None for one of Jira's paths."""
        name = path.split("/", 2)[1]
        return self[name] if name in NAMES else None


def _module(service: str) -> Any:
    return import_module(f"impulsum_pipelines.sandbox.{service}.service")
