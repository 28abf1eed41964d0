"""``impulsum sync``, ``impulsum build``: run the jobs of the schedules now. ``impulsum dev``: Dagster's own UI."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer

from impulsum_pipelines.base.home import Home, fetch_dicts
from impulsum_pipelines.cli.console import format_value, notes, show_json, show_table
from impulsum_pipelines.cli.dev import dagster_dev
from impulsum_pipelines.cli.runs import RunReport, dagster_home, run_job
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import missing_settings, off_error, why_off
from impulsum_pipelines.tiers import SOURCES

_STAGES = ("extract", "normalize", "load")
_COUNTS = ("new", "changed", "unchanged", "deleted", "unreachable")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(sync)
    app.command()(build)
    app.command()(dev)
    app.command("dagster-home")(show_dagster_home)


def sync(
    source: Annotated[str, typer.Argument(help=f"One of: {', '.join(source.name for source in SOURCES)}.")],
    since: Annotated[str | None, typer.Option(help="First day (UTC) to read again, such as 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day (UTC) to read again; default: today.")] = None,
    census: Annotated[bool, typer.Option("--census", help="Also find rows that were deleted at the source.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pull one source: everything that changed since the last sync, or the days from --since to --until."""
    from impulsum_pipelines.automation.jobs import pull_config
    from impulsum_pipelines.loading.partitions import reading

    settings = load_settings()
    require_configured(source, settings)
    today = datetime.now(UTC).date()
    if since is None and until is not None:
        raise _wrong("--until needs --since", "add --since with the first day.")
    job = partial(run_job, f"{source}_sync", settings, marts=False)
    if since is None:
        report = job(partition_key=today.isoformat(), ops=pull_config(source, census=census))
    else:
        first, last = _days(since, until, settings.impulsum_start_date, today)
        tags, days = reading(first, last, settings)
        report = job(tags=tags, ops=pull_config(source, census=census, **days))
    syncs = _syncs(source, settings, report)
    if as_json:
        show_json({"run_id": report.run_id, "syncs": syncs, "checks": [vars(check) for check in report.checks]})
    else:
        _show_syncs(source, syncs)
        show_checks(report)
        notes().print("Next: `impulsum build` to publish it.", style="dim", highlight=False)
    exit_unless_checked(report)


def build(as_json: AsJson = False) -> None:
    """Build the marts from the stored data, check them, and publish them."""
    settings = load_settings()
    report = run_job("build", settings)
    release = report.materialized["published/impulsum"]
    if as_json:
        show_json({"run_id": report.run_id, "published": release, "checks": [vars(c) for c in report.checks]})
    else:
        show_table(("table", "rows"), sorted(release["rows"].items()))
        show_checks(report)
        notes().print(f"Published {release['path']} as version {release['version']}.", highlight=False)
    exit_unless_checked(report)


def dev(port: Annotated[int, typer.Option(help="Port of the UI.", min=1, max=65535)] = 3000) -> None:
    """Open Dagster's UI on this machine, with schedules running; what `make dev` does, from any folder."""
    start = dagster_dev(load_settings(), port)
    os.chdir(start.folder)
    os.execve(start.command[0], start.command, start.environment)  # noqa: S606  # the signals go to Dagster


def show_dagster_home() -> None:
    """Create DAGSTER_HOME if needed and print it. With it the UI shows runs of the shell too."""
    typer.echo(dagster_home(load_settings()))


def require_known(source: str) -> None:
    """Raise an error that names the sources, unless this source exists."""
    if source not in {source.name for source in SOURCES}:
        known = ", ".join(source.name for source in SOURCES)
        raise _wrong(f"There is no source {source!r}", f"choose one of: {known}.")


def require_configured(source: str, settings: Settings) -> None:
    """Raise an error that names the settings to set, unless the source exists and is on."""
    require_known(source)
    if missing := missing_settings(source, settings):
        raise _wrong(
            f"{source} is off: {', '.join(missing)} not set",
            f"set {' and '.join(missing)}, or try it with a sandbox (`impulsum sandbox serve`).",
        )
    if why_off(source, settings):
        raise off_error(source, settings)


def show_checks(report: RunReport) -> None:
    """Print how many checks passed, warned and failed, and list those that did not pass."""
    warned = sum(not check.is_error for check in report.failed)
    passed, failed = len(report.checks) - len(report.failed), len(report.failed) - warned
    notes().print(f"Checks: {passed} passed, {warned} warned, {failed} failed.", highlight=False)
    if report.failed:
        show_table(
            ("check", "asset", "severity", "message"),
            [(c.name, c.asset, "error" if c.is_error else "warning", c.says) for c in report.failed],
        )


def exit_unless_checked(report: RunReport) -> None:
    """End with exit code 1 when a check failed as an error."""
    if any(check.is_error for check in report.failed):
        raise typer.Exit(1)


def _days(since: str, until: str | None, start: date, today: date) -> tuple[date, date]:
    try:
        first = date.fromisoformat(since)
        last = date.fromisoformat(until) if until else today
    except ValueError as error:
        raise _wrong(f"That is not a day: {error}", "write days as 2026-11-01.") from None
    if not start <= first <= last <= today:
        raise _wrong(
            f"The days {first} to {last} are not a range within {start} to {today}",
            "correct --since and --until, or set IMPULSUM_START_DATE to an earlier day.",
        )
    return first, last


def _wrong(what: str, next_step: str) -> ImpulsumError:
    return ImpulsumError(Category.CONFIGURATION, what, next_step=next_step)


def _syncs(source: str, settings: Settings, report: RunReport) -> list[dict[str, Any]]:
    """The rows of ``syncs`` in the raw file that this run wrote, oldest first."""
    ids = {
        sync_id for metadata in report.materialized.values() for sync_id in str(metadata.get("sync", "")).split(", ")
    }
    with Home.of(settings).read_raw(source) as connection:
        if connection is None:
            return []
        syncs = fetch_dicts(
            connection.execute(
                "select * from raw.syncs where sync_id in (select unnest(?)) order by started_at", [sorted(ids)]
            )
        )
    for record in syncs:
        for column in ("rows", "streams"):
            record[column] = json.loads(record[column] or "{}")
    return syncs


def _show_syncs(source: str, syncs: list[dict[str, Any]]) -> None:
    for record in syncs:
        show_table(
            ("table", *_COUNTS),
            [(table, *(counts[name] for name in _COUNTS)) for table, counts in record["rows"].items()],
        )
        seconds = (record["finished_at"] - record["started_at"]) / timedelta(seconds=1)
        facts = [
            f"{source} {record['mode']}{' with census' if record['census'] else ''}",
            f"{record['requests']} requests",
            f"{format_value(seconds)} s: " + ", ".join(f"{s} {format_value(record[f'{s}_seconds'])}" for s in _STAGES),
        ]
        if record["limit_waits"]:
            facts.append(
                f"{record['limit_waits']} waits for rate limits, {format_value(record['limit_wait_seconds'])} s"
            )
        if record["watermark_to"]:
            facts.append(f"read until {format_value(record['watermark_to'])} UTC")
        notes().print("; ".join(facts) + ".", highlight=False)
