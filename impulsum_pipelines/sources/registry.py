"""The sources by name: their tables, the settings that turn them on, and their probes. Imports no dlt."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.table import Scope, Table


def _module(source: str) -> ModuleType:
    return import_module(f"impulsum_pipelines.sources.{source}.tables")


def tables(source: str) -> tuple[Table, ...]:
    """The raw tables of a source."""
    declared: tuple[Table, ...] = _module(source).TABLES
    return declared


def scope_of(source: str) -> Scope | None:
    """Where people look for a row of a source; None for a source without scopes."""
    declared: Scope | None = _module(source).SCOPE
    return declared


def missing_settings(source: str, settings: Settings) -> list[str]:
    """The environment variables that are not set and that the source needs to be on; empty when it is on."""
    required: tuple[str, ...] = _module(source).REQUIRED_SETTINGS
    return [name for name in required if not settings.value(name)]


def is_configured(source: str, settings: Settings) -> bool:
    """Whether the source is on."""
    return not why_off(source, settings)


def why_off(source: str, settings: Settings) -> str:
    """What to set for the source to be on, such as ``JIRA_API_TOKEN is not set``; empty when it is on."""
    if missing := missing_settings(source, settings):
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
    home = Home.of(settings)
    if home.is_demo and not f"{_address(source, settings)}/".startswith(f"{home.demo_site}/"):
        return f"IMPULSUM_HOME is {home.root}, which contains the invented data of a demo"
    return ""


def _address(source: str, settings: Settings) -> str:
    own = settings.source(source)
    return str(getattr(own, "api_url", None) or getattr(own, "base_url", None))


def off_error(source: str, settings: Settings) -> ImpulsumError:
    """The error that the source is off; it names what to set."""
    next_step = (
        "set what is missing and run again; `impulsum doctor` checks the account."
        if missing_settings(source, settings)
        else "set IMPULSUM_HOME to a folder for your own data and run again."
    )
    return ImpulsumError(Category.CONFIGURATION, f"{source} is off: {why_off(source, settings)}", next_step=next_step)


def probe_source(source: str, settings: Settings) -> Iterator[tuple[str, str]]:
    """Try what a sync of the source needs, step by step.

    Yields:
        What was tried, and what the source answered, as text.

    Raises:
        ImpulsumError: the first step that failed; the error says what to do.
    """
    steps: Iterator[tuple[str, str]] = import_module(f"impulsum_pipelines.sources.{source}.probe").probe(settings)
    return steps
