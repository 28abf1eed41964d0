"""``impulsum status``: the stored data, how fresh it is, and the published version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer

from impulsum_pipelines.base.home import Home, fetch_dicts
from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import age, format_value, in_utc, notes, show_json, show_table
from impulsum_pipelines.cli.max_age import MaxAge, refresh
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.closed_days import closing, in_words
from impulsum_pipelines.publishing.publish import current_release
from impulsum_pipelines.publishing.release import Release
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.registry import missing_settings, tables
from impulsum_pipelines.tiers import SOURCES


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(as_json: AsJson = False, max_age: MaxAge = None) -> None:
    """Show the last sync, watermark, census, rows and days never closed of each source, and the published version."""
    settings = load_settings()
    refreshed = None if max_age is None else refresh(settings, max_age)
    home = Home.of(settings)
    sources = {source.name: source_status(source.name, settings) for source in SOURCES}
    release = current_release(settings)
    if as_json:
        file = None if release is None else {"path": str(home.published), **vars(release)}
        asked = {"refreshed": refreshed.facts()} if refreshed else {}
        show_json({"home": str(home.root), "sources": sources, "published": file, **asked})
    else:
        _show(home, sources, release)
        for trouble in _webhook_troubles(settings):
            notes().print(f"{trouble} Next: `impulsum webhooks health`.", style="yellow", highlight=False)
    if refreshed:
        refreshed.exit_unless_done()


def _show(home: Home, sources: dict[str, dict[str, Any]], release: Release | None) -> None:
    show_table(
        ("source", "state", "last sync (UTC)", "age", "read until (UTC)", "last census", "rows", "never closed"),
        [_line(name, facts) for name, facts in sources.items()],
    )
    if any(facts["configured"] and facts["never_closed"] for facts in sources.values()):
        notes().print(
            "A day that was never closed may miss changes that became visible late. While Dagster runs (`make dev`), "
            "its sensor catch_up closes such days; `impulsum sync SOURCE --since DAY --until DAY` does it now.",
            highlight=False,
        )
    if release is None:
        notes().print(f"Nothing is published yet in {home.root}. Next: `impulsum build`.", highlight=False)
    else:
        notes().print(
            f"{home.published}: version {release.version}, published {age(release.published_at)}, "
            f"data as of {format_value(release.data_as_of) or 'no sync yet'}.",
            highlight=False,
        )


def source_status(source: str, settings: Settings) -> dict[str, Any]:
    """The facts about one source in its raw file, for JSON; None where there was no sync yet."""
    missing = missing_settings(source, settings)
    facts: dict[str, Any] = {
        "configured": not missing,
        "missing_settings": missing,
        "last_sync": None,
        "watermark": None,
        "pulled_at": None,
        "age_seconds": None,
        "last_census_at": None,
        "rows": {},
        "never_closed": [],
    }
    now = datetime.now(UTC)
    with Home.of(settings).read_raw(source) as connection:
        if connection is None:
            return facts
        last = fetch_dicts(
            connection.execute(
                "select sync_id, mode, status, started_at, finished_at, error from raw.syncs "
                "order by started_at desc limit 1"
            )
        )
        ((watermark, pulled_at, census_at),) = connection.execute(
            "select max(watermark_to) filter (mode = 'live'), max(started_at) filter (mode = 'live'), "
            "max(finished_at) filter (census) from raw.syncs where status = 'done'"
        ).fetchall()
        facts["rows"] = {
            table.name: connection.execute(f"select count(*) from raw.{table.name} where {ALIVE}").fetchall()[0][0]
            for table in tables(source)
        }
        facts["never_closed"] = closing(connection, source, now, settings).never_closed
    facts["last_sync"] = last[0] if last else None
    facts["watermark"] = watermark
    facts["last_census_at"] = census_at
    if pulled_at is not None:
        facts["pulled_at"] = pulled_at
        facts["age_seconds"] = round((now - in_utc(pulled_at)).total_seconds())
    return facts


def _webhook_troubles(settings: Settings) -> list[str]:
    """One sentence per source whose webhooks and pulls disagree."""
    from impulsum_pipelines.webhooks.health.report import standings

    try:
        return [found.trouble for found in standings(settings, at=datetime.now(UTC)) if found.trouble]
    except ImpulsumError as error:
        return [f"The state of webhooks is unknown: {error.what}."]


def _line(name: str, facts: dict[str, Any]) -> tuple[object, ...]:
    last = facts["last_sync"]
    state = "on" if facts["configured"] else f"off: {', '.join(facts['missing_settings'])} not set"
    if last and last["status"] != "done":
        state = f"{state}, last sync {last['status']}"
    return (
        name,
        state,
        last and (last["finished_at"] or last["started_at"]),
        age(last and (last["finished_at"] or last["started_at"])),
        facts["watermark"],
        age(facts["last_census_at"]),
        sum(facts["rows"].values()),
        in_words(facts["never_closed"]),
    )
