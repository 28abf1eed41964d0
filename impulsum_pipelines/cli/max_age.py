"""``--max-age``: before a command answers, older sources are pulled, and the marts are built if anything changed.

A source that is down, or limits requests, does not stop the command: it answers from the stored data, and says how old
that is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.base.humanize import humanize
from impulsum_pipelines.cli.console import in_utc, notes
from impulsum_pipelines.cli.runs import RunReport, run_job
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.registry import is_configured
from impulsum_pipelines.tiers import SOURCES, Source

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

#: The age of a source in its raw file and in the published file. ``pulled_at`` is the start of the newest live pull.
#: ``has_unpublished`` says whether rows changed that are not published. ``as_of`` is the age of the published data: the
#: start of the last live pull before the first such change. A pull that found nothing new counts.
_AGES = """
with done as (
    select
        mode = 'live' as is_live,
        started_at,
        finished_at,
        finished_at > coalesce($published, '-infinity'::timestamptz)
        and list_sum((rows->'$.*.*')::bigint[]) > list_sum((rows->'$.*.unchanged')::bigint[]) as is_unpublished
    from raw.syncs
    where status = 'done'
),

first_unpublished as (select min(finished_at) as changed_at from done where is_unpublished)

select
    max(started_at) filter (is_live) as pulled_at,
    max(started_at) filter (is_live and (changed_at is null or finished_at < changed_at)) as as_of,
    any_value(changed_at) is not null as has_unpublished
from done, first_unpublished
"""


def _parse_age(text: str) -> timedelta:
    if not (found := re.fullmatch(r"(\d{1,6})([smhd])", text)):
        raise ImpulsumError(
            Category.CONFIGURATION, f"{text!r} is not an age", next_step="write --max-age as 90s, 30m, 2h or 1d."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


MaxAge = Annotated[
    timedelta | None,
    typer.Option(
        "--max-age",
        parser=_parse_age,
        metavar="AGE",
        help="First pull each source whose data is older (90s, 30m, 2h, 1d); if one is down, its stored data is shown.",
    ),
]


@dataclass(frozen=True)
class SourceAge:
    """How old the data of one source is, and why it is not newer.

    Args:
        source: the source.
        pulled_at: start of the newest complete live pull (UTC); None before the first one.
        as_of: start of the newest live pull that is published (UTC); None before the first one.
        has_unpublished: True when rows changed that are not published yet.
        pulled: True when this command pulled it.
        error: why it could not be pulled.
    """

    source: Source
    pulled_at: datetime | None
    as_of: datetime | None
    has_unpublished: bool
    pulled: bool = False
    error: ImpulsumError | None = None

    def is_to_be_pulled(self, max_age: timedelta) -> bool:
        """Whether the stored data is older, or there is none."""
        return self.pulled_at is None or datetime.now(UTC) - self.pulled_at > max_age

    def is_to_be_built(self, max_age: timedelta) -> bool:
        """Whether the published data is older, and newer data is stored."""
        is_older = self.as_of is None or datetime.now(UTC) - self.as_of > max_age
        return self.has_unpublished and is_older


@dataclass
class RefreshResult:
    """What ``--max-age`` did.

    Args:
        sources: every source that is on, by name.
        is_done: False when something failed that will not pass by itself.
    """

    sources: dict[str, SourceAge] = field(default_factory=dict)
    is_done: bool = True

    def facts(self) -> dict[str, dict[str, Any]]:
        """The age of the published data of each source, and what was done, for JSON."""
        now = datetime.now(UTC)
        return {
            name: {
                "as_of": age.as_of,
                "age_seconds": age.as_of and round((now - age.as_of).total_seconds()),
                "pulled": age.pulled,
                "error": age.error and age.error.what,
            }
            for name, age in self.sources.items()
        }

    def print_ages(self) -> None:
        """Print the age of the published data of each source on stderr."""
        now = datetime.now(UTC)
        ages = (f"{s.source.title} {humanize(now - s.as_of) if s.as_of else 'never'}" for s in self.sources.values())
        _note(f"Age of the published data: {', '.join(ages) or 'every source is off'}.")

    def exit_unless_done(self) -> None:
        """End with exit code 1 when something failed that will not pass by itself, unlike a source that is down."""
        if not self.is_done:
            raise typer.Exit(1)


def refresh(settings: Settings, max_age: timedelta) -> RefreshResult:
    """Pull the sources whose stored data is older, then build and publish if the published data is older than that.

    It never raises when a source or a build fails: it warns on stderr, with the age of the data that is shown.
    """
    done = RefreshResult()
    on = [source for source in SOURCES if is_configured(source.name, settings)]
    pulled = {source.name: _pull(source, settings, max_age, done) for source in on}
    ages = _ages(on, settings)
    if any(age.is_to_be_built(max_age) for age in ages):
        _build(settings, done)
        ages = _ages(on, settings)
    for age in ages:
        was_tried, error = pulled[age.source.name]
        done.sources[age.source.name] = replace(age, pulled=was_tried and error is None, error=error)
        if error:
            _warn(age, error)
    return done


def _pull(
    source: Source, settings: Settings, max_age: timedelta, done: RefreshResult
) -> tuple[bool, ImpulsumError | None]:
    """Pull the source if its data is older; returns whether it tried, and why that failed."""
    from impulsum_pipelines.automation.jobs import pull_config, sync_job_name

    now = datetime.now(UTC)
    [age] = _ages([source], settings)
    if not age.is_to_be_pulled(max_age):
        return False, None
    old = f"its newest pull is {humanize(now - age.pulled_at)} old" if age.pulled_at else "it was never pulled"
    _note(f"Pulling {source.title}: {old}.")
    try:
        report = run_job(
            sync_job_name(source.name),
            settings,
            partition_key=now.date().isoformat(),
            ops=pull_config(source.name, fail_fast=True),
            marts=False,
        )
    except ImpulsumError as error:
        done.is_done &= error.retryable
        return True, error
    _warn_of_failed_checks(report, done)
    return True, None


def _build(settings: Settings, done: RefreshResult) -> None:
    _note("Building the marts from the new data.")
    try:
        _warn_of_failed_checks(run_job("build", settings), done)
    except ImpulsumError as error:
        done.is_done = False
        notes().print(f"The marts could not be built: {error}", style="yellow", markup=False, highlight=False)


def _warn_of_failed_checks(report: RunReport, done: RefreshResult) -> None:
    for check in report.failed:
        if check.is_error:
            done.is_done = False
            warning = f"The check {check.name} of {check.asset} failed: {check.says}"
            notes().print(warning, style="yellow", markup=False, highlight=False)


def _warn(age: SourceAge, error: ImpulsumError) -> None:
    cause = f"could not be reached ({error.what})" if error.retryable else f"could not be pulled ({error.what})"
    old = (
        f"the data shown is {humanize(datetime.now(UTC) - age.as_of)} old"
        if age.as_of
        else "it has no published data yet"
    )
    act = "" if error.retryable else f" Next: {error.next_step}"
    notes().print(f"{age.source.title} {cause}; {old}.{act}", style="yellow", markup=False, highlight=False)


def _note(text: str) -> None:
    notes().print(text, style="dim", highlight=False)


def _ages(sources: list[Source], settings: Settings) -> list[SourceAge]:
    published = _published(settings)
    found = []
    for source in sources:
        with Home.of(settings).read_raw(source.name) as connection:
            if connection is None:
                found.append(SourceAge(source, None, None, False))
                continue
            [(pulled_at, as_of, has_unpublished)] = connection.execute(
                _AGES, {"published": published.get(source.name)}
            ).fetchall()
        found.append(SourceAge(source, pulled_at and in_utc(pulled_at), as_of and in_utc(as_of), has_unpublished))
    return found


def _published(settings: Settings) -> dict[str, datetime]:
    """The end of the newest sync that is published (UTC), by source."""
    path = Home.of(settings).published
    if not path.exists():
        return {}
    with connect(path, read_only=True) as connection:
        return dict(connection.execute("select source, last_done_at from quality.freshness").fetchall())
