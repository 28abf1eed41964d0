"""``--max-age``: what is older is pulled, and built where it brought anything new, before a command answers.

A source that is down, or limits requests, is no reason not to answer: what is held is shown, and how old it is.
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

#: Of a raw file, and what the published file has of it: up to when its newest live pull reads, and whether rows changed
#: that are not published; the published file is as old as the last live pull before the first such change. A pull that
#: found nothing new counts.
_SHOWN = """
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


def _parsed(text: str) -> timedelta:
    if not (found := re.fullmatch(r"(\d{1,6})([smhd])", text)):
        raise ImpulsumError(
            Category.CONFIGURATION, f"{text!r} is not an age", next_step="write --max-age as 90s, 30m, 2h or 1d."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


MaxAge = Annotated[
    timedelta | None,
    typer.Option(
        "--max-age",
        parser=_parsed,
        metavar="AGE",
        help="First pull what is older (90s, 30m, 2h, 1d); of a source that is down, what is held is shown.",
    ),
]


@dataclass(frozen=True)
class Shown:
    """How old what is shown of one source is, and why it is no younger.

    Args:
        source: the source.
        pulled_at: start of the newest complete live pull; None where there was none.
        as_of: the same of what is published of it.
        has_unpublished: rows changed that are not published.
        pulled: it was pulled just now.
        error: why it could not be.
    """

    source: Source
    pulled_at: datetime | None
    as_of: datetime | None
    has_unpublished: bool
    pulled: bool = False
    error: ImpulsumError | None = None

    def is_to_be_pulled(self, max_age: timedelta) -> bool:
        """Whether what is held is older, or nothing is."""
        return self.pulled_at is None or datetime.now(UTC) - self.pulled_at > max_age

    def is_to_be_built(self, max_age: timedelta) -> bool:
        """Whether what is published is older, and something newer is held."""
        is_older = self.as_of is None or datetime.now(UTC) - self.as_of > max_age
        return self.has_unpublished and is_older


@dataclass
class Refreshed:
    """What ``--max-age`` did.

    Args:
        sources: every source that is on, by name.
        is_done: False when something failed that will not pass by itself.
    """

    sources: dict[str, Shown] = field(default_factory=dict)
    is_done: bool = True

    def facts(self) -> dict[str, dict[str, Any]]:
        """For programs: how old what is published of each source is, and what was done."""
        now = datetime.now(UTC)
        return {
            name: {
                "as_of": shown.as_of,
                "age_seconds": shown.as_of and round((now - shown.as_of).total_seconds()),
                "pulled": shown.pulled,
                "error": shown.error and shown.error.what,
            }
            for name, shown in self.sources.items()
        }

    def say(self) -> None:
        """For people, on stderr: how old what is published of each source is."""
        now = datetime.now(UTC)
        ages = (f"{s.source.title} {humanize(now - s.as_of) if s.as_of else 'never'}" for s in self.sources.values())
        _note(f"Age of what is published: {', '.join(ages) or 'every source is off'}.")

    def leave(self) -> None:
        """Leave with exit code 1 unless all was done that could be; that a source is down counts as done."""
        if not self.is_done:
            raise typer.Exit(1)


def refresh(settings: Settings, max_age: timedelta) -> Refreshed:
    """Pull the sources of which what is held is older, then build and publish what is not published and older.

    Never raises for a source or a build that fails: it warns on stderr, with the age of what is shown.
    """
    done = Refreshed()
    on = [source for source in SOURCES if is_configured(source.name, settings)]
    pulled = {source.name: _pull(source, settings, max_age, done) for source in on}
    shown = _shown(on, settings)
    if any(one.is_to_be_built(max_age) for one in shown):
        _build(settings, done)
        shown = _shown(on, settings)
    for one in shown:
        was_tried, error = pulled[one.source.name]
        done.sources[one.source.name] = replace(one, pulled=was_tried and error is None, error=error)
        if error:
            _warn(one, error)
    return done


def _pull(source: Source, settings: Settings, max_age: timedelta, done: Refreshed) -> tuple[bool, ImpulsumError | None]:
    """Whether it was tried, and why it failed."""
    from impulsum_pipelines.automation.jobs import pull_config, sync_job_name

    now = datetime.now(UTC)
    [held] = _shown([source], settings)
    if not held.is_to_be_pulled(max_age):
        return False, None
    old = f"its newest pull is {humanize(now - held.pulled_at)} old" if held.pulled_at else "it was never pulled"
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
    _judge(report, done)
    return True, None


def _build(settings: Settings, done: Refreshed) -> None:
    _note("Building the marts from what is new.")
    try:
        _judge(run_job("build", settings), done)
    except ImpulsumError as error:
        done.is_done = False
        notes().print(f"The marts could not be built: {error}", style="yellow", markup=False, highlight=False)


def _judge(report: RunReport, done: Refreshed) -> None:
    for check in report.failed:
        if check.is_error:
            done.is_done = False
            said = f"The check {check.name} of {check.asset} failed: {check.says}"
            notes().print(said, style="yellow", markup=False, highlight=False)


def _warn(shown: Shown, error: ImpulsumError) -> None:
    cause = f"could not be reached ({error.what})" if error.retryable else f"could not be pulled ({error.what})"
    old = (
        f"what is shown is {humanize(datetime.now(UTC) - shown.as_of)} old" if shown.as_of else "nothing of it is shown"
    )
    act = "" if error.retryable else f" Next: {error.next_step}"
    notes().print(f"{shown.source.title} {cause}; {old}.{act}", style="yellow", markup=False, highlight=False)


def _note(text: str) -> None:
    notes().print(text, style="dim", highlight=False)


def _shown(sources: list[Source], settings: Settings) -> list[Shown]:
    published = _published(settings)
    found = []
    for source in sources:
        with Home.of(settings).read_raw(source.name) as connection:
            if connection is None:
                found.append(Shown(source, None, None, False))
                continue
            [(pulled_at, as_of, has_unpublished)] = connection.execute(
                _SHOWN, {"published": published.get(source.name)}
            ).fetchall()
        found.append(Shown(source, pulled_at and in_utc(pulled_at), as_of and in_utc(as_of), has_unpublished))
    return found


def _published(settings: Settings) -> dict[str, datetime]:
    """By source, the end of the newest sync that the published file knows of."""
    path = Home.of(settings).published
    if not path.exists():
        return {}
    with connect(path, read_only=True) as connection:
        return dict(connection.execute("select source, last_done_at from quality.freshness").fetchall())
