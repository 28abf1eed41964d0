"""``impulsum doctor``: whether everything that a sync needs is there, and what to do where it is not."""

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
from impulsum_pipelines.sources.registry import missing_settings, probe
from impulsum_pipelines.tiers import SOURCES

#: Below this much free disk a build may fail half-way, bytes.
LEAST_FREE = 1_000_000_000

#: Names the database that Dagster stores its runs in.
_DAGSTERS = "DAGSTER_POSTGRES_URL"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        subject: what.
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
    """Check settings, disk, versions, databases, and each source's account and permissions."""
    findings = list(examine())
    if as_json:
        show_json([vars(finding) for finding in findings])
    else:
        show_table(("what", "state", "says"), [(f.subject, f.state, f.says) for f in findings])
    problems = [finding for finding in findings if finding.state == "problem"]
    for finding in problems:
        notes().print(f"{finding.subject}: {finding.next_step}", style="red", markup=False, highlight=False)
    if problems:
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Look at everything, one finding at a time; nothing is changed."""
    yield from _versions()
    try:
        settings = load_settings()
    except ImpulsumError as error:
        yield Finding("settings", "problem", error.what, error.next_step)
        return
    yield Finding("settings", "ok", f"zone {settings.impulsum_timezone}, hours {settings.impulsum_business_hours}")
    yield from _disk(settings.home)
    yield from _databases(settings)
    for source in SOURCES:
        yield from _source(source.name, settings)


def _versions() -> Iterator[Finding]:
    """Whether what is installed is what this version was tested with."""
    try:
        required = requires("impulsum-pipelines") or []
    except PackageNotFoundError:
        yield Finding("packages", "problem", "impulsum_pipelines is not installed", "run `make venv`.")
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
        yield Finding("packages", "problem", "; ".join(wrong), "install requirements.lock again (`make venv`).")
    else:
        yield Finding("packages", "ok", f"Python {sys.version.split()[0]}, duckdb {version('duckdb')}")
    dbt = Path(sys.executable).with_name("dbt")
    if dbt.exists():
        yield Finding("dbt", "ok", str(version("dbt-core")))
    else:
        yield Finding("dbt", "problem", f"no dbt beside {sys.executable}", "install requirements.lock again.")


def _disk(home: Path) -> Iterator[Finding]:
    folder = home
    while not folder.exists():
        folder = folder.parent
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding(
            "state folder",
            "problem",
            f"{home} cannot be written: {error.strerror}",
            f"give user id {os.geteuid()} write access to {folder}, or set IMPULSUM_HOME to another folder.",
        )
        return
    yield Finding("state folder", "ok", str(home) if folder == home else f"{home} will be created")
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        yield Finding("disk", "problem", f"{free / 1e9:.1f} GB free", "free at least 1 GB, or move IMPULSUM_HOME.")
    else:
        yield Finding("disk", "ok", f"{free / 1e9:.0f} GB free")


def _databases(settings: Settings) -> Iterator[Finding]:
    """Whether the databases that are named can be reached; what is in them is left alone."""
    from impulsum_pipelines.ops.store import store_url

    try:
        ops = store_url(settings)
    except ImpulsumError as error:
        yield Finding("ops store", "problem", error.what, error.next_step)
    else:
        is_file, text = ops.get_backend_name() == "sqlite", ops.render_as_string(hide_password=False)
        yield _database("ops store", "IMPULSUM_OPS_URL", "" if is_file else text, settings)
    yield _database("Dagster's storage", _DAGSTERS, os.environ.get(_DAGSTERS, ""), settings)


def _database(subject: str, variable: str, address: str, settings: Settings) -> Finding:
    """Whether a PostgreSQL can be reached; without an address there is none, and SQLite is used."""
    import sqlalchemy as sa

    if not address:
        return Finding(subject, "ok", "SQLite")
    wrong = f"write {variable} as postgresql+psycopg2://user:password@host/database, and see that the server runs."
    if not address.startswith("postgresql"):
        return Finding(subject, "problem", f"{variable} is not the address of a PostgreSQL database", wrong)
    try:
        with sa.create_engine(address, connect_args={"connect_timeout": 10}).connect() as connection:
            zone = str(connection.execute(sa.text("show timezone")).scalar_one())
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        said = sanitized(" ".join(str(getattr(error, "orig", None) or error).split()), settings, longest=300)
        return Finding(subject, "problem", said, wrong)
    says = f"PostgreSQL, database {sa.make_url(address).database}"
    if variable == _DAGSTERS and zone.removeprefix("Etc/") not in {"UTC", "UCT", "GMT"}:
        says = f"{says}, writes times in {zone}; Dagster takes them for UTC"
        return Finding(subject, "problem", says, "set PGTZ=UTC for all of Dagster's programs.")
    return Finding(subject, "ok", says)


def _source(source: str, settings: Settings) -> Iterator[Finding]:
    """Whether the source answers, and lets the account see what a sync reads."""
    if missing := missing_settings(source, settings):
        yield Finding(source, "off", f"{', '.join(missing)} not set")
        return
    try:
        for subject, says in probe(source, settings):
            yield Finding(f"{source} {subject}", "ok", says)
    except ImpulsumError as error:
        yield Finding(source, "problem", f"{error.category.value}: {error.what}", error.next_step)
