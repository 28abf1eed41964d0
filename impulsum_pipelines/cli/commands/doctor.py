"""``impulsum doctor``: checks everything that a sync needs, and says what to do about each problem."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from tempfile import TemporaryFile

import typer
from packaging.requirements import Requirement

from impulsum_pipelines.base.sanitize import sanitized
from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import notes, show_json, show_table
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import missing_settings, probe_source, why_off
from impulsum_pipelines.tiers import SOURCES

#: With less free disk, in bytes, a build may fail.
LEAST_FREE = 1_000_000_000

#: Environment variable with the address of Dagster's database.
_DAGSTERS = "DAGSTER_POSTGRES_URL"


@dataclass(frozen=True)
class Diagnosis:
    """The result of one check.

    Args:
        subject: what was checked.
        state: ``ok``, ``problem``, or ``off`` for a source that is not configured.
        says: what was found.
        next_step: what to do; empty unless it is a problem.
    """

    subject: str
    state: str
    says: str
    next_step: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Check settings, disk, versions, databases, and the account and permissions of each source."""
    found = list(diagnose())
    if as_json:
        show_json([vars(diagnosis) for diagnosis in found])
    else:
        show_table(("what", "state", "found"), [(d.subject, d.state, d.says) for d in found])
    problems = [diagnosis for diagnosis in found if diagnosis.state == "problem"]
    for problem in problems:
        notes().print(f"{problem.subject}: {problem.next_step}", style="red", markup=False, highlight=False)
    if problems:
        raise typer.Exit(1)


def diagnose() -> Iterator[Diagnosis]:
    """Check everything; nothing is changed."""
    yield from _versions()
    try:
        settings = load_settings()
    except ImpulsumError as error:
        yield Diagnosis("settings", "problem", error.what, error.next_step)
        return
    yield Diagnosis("settings", "ok", f"zone {settings.impulsum_timezone}, hours {settings.impulsum_business_hours}")
    yield from _disk(settings.home)
    yield from _databases(settings)
    for source in SOURCES:
        yield from _source(source.name, settings)


def _versions() -> Iterator[Diagnosis]:
    """Whether the installed packages are those that this version was tested with."""
    try:
        required = requires("impulsum-pipelines") or []
    except PackageNotFoundError:
        yield Diagnosis("packages", "problem", "impulsum_pipelines is not installed", "run `make venv`.")
        return
    wrong = []
    for line in required:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = "nothing"
        if installed == "nothing" or not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} {installed} instead of {requirement.specifier}")
    if wrong:
        yield Diagnosis("packages", "problem", "; ".join(wrong), "install requirements.lock again (`make venv`).")
    else:
        yield Diagnosis("packages", "ok", f"Python {sys.version.split()[0]}, duckdb {version('duckdb')}")
    dbt = Path(sys.executable).with_name("dbt")
    if dbt.exists():
        yield Diagnosis("dbt", "ok", str(version("dbt-core")))
    else:
        yield Diagnosis("dbt", "problem", f"no dbt beside {sys.executable}", "install requirements.lock again.")


def _disk(home: Path) -> Iterator[Diagnosis]:
    folder = home
    while not folder.exists():
        folder = folder.parent
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Diagnosis(
            "state folder",
            "problem",
            f"{home} cannot be written: {error.strerror}",
            f"give user id {os.geteuid()} write access to {folder}, or set IMPULSUM_HOME to another folder.",
        )
        return
    yield Diagnosis("state folder", "ok", str(home) if folder == home else f"{home} will be created")
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        yield Diagnosis("disk", "problem", f"{free / 1e9:.1f} GB free", "free at least 1 GB, or move IMPULSUM_HOME.")
    else:
        yield Diagnosis("disk", "ok", f"{free / 1e9:.0f} GB free")


def _databases(settings: Settings) -> Iterator[Diagnosis]:
    """Whether the configured databases can be reached; nothing in them is read or changed."""
    from impulsum_pipelines.ops.store import store_url

    try:
        ops = store_url(settings)
    except ImpulsumError as error:
        yield Diagnosis("ops store", "problem", error.what, error.next_step)
    else:
        is_file, text = ops.get_backend_name() == "sqlite", ops.render_as_string(hide_password=False)
        yield _database("ops store", "IMPULSUM_OPS_URL", "" if is_file else text, settings)
    yield _database("Dagster's storage", _DAGSTERS, os.environ.get(_DAGSTERS, ""), settings)


def _database(subject: str, variable: str, address: str, settings: Settings) -> Diagnosis:
    """Whether a PostgreSQL database can be reached; without an address SQLite is used."""
    import sqlalchemy as sa

    if not address:
        return Diagnosis(subject, "ok", "SQLite")
    wrong = (
        f"write {variable} as postgresql+psycopg2://user:password@host/database, and make sure that the server runs."
    )
    if not address.startswith("postgresql"):
        return Diagnosis(subject, "problem", f"{variable} is not the address of a PostgreSQL database", wrong)
    try:
        with sa.create_engine(address, connect_args={"connect_timeout": 10}).connect() as connection:
            zone = str(connection.execute(sa.text("show timezone")).scalar_one())
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        reason = sanitized(" ".join(str(getattr(error, "orig", None) or error).split()), settings, longest=300)
        return Diagnosis(subject, "problem", reason, wrong)
    says = f"PostgreSQL, database {sa.make_url(address).database}"
    if variable == _DAGSTERS and zone.removeprefix("Etc/") not in {"UTC", "UCT", "GMT"}:
        says = f"{says}, writes times in {zone}, but Dagster reads them as UTC"
        return Diagnosis(subject, "problem", says, "set PGTZ=UTC for every Dagster program.")
    return Diagnosis(subject, "ok", says)


def _source(source: str, settings: Settings) -> Iterator[Diagnosis]:
    """Whether the source answers, and the account may see everything that a sync reads."""
    if missing := missing_settings(source, settings):
        yield Diagnosis(source, "off", f"{', '.join(missing)} not set")
        return
    if reason := why_off(source, settings):
        yield Diagnosis(source, "off", reason)
        return
    try:
        for subject, says in probe_source(source, settings):
            yield Diagnosis(f"{source} {subject}", "ok", says)
    except ImpulsumError as error:
        yield Diagnosis(source, "problem", f"{error.category.value}: {error.what}", error.next_step)
