"""The sensor ``freshness``: checks how fresh each source is, also when no pull runs, and alerts when one is not.

Dagster's freshness policies show the age of a materialization and notify nobody. This sensor asks
:mod:`impulsum_pipelines.loading.freshness`, raises an alert, and shows the answer in the UI: as the check of each
source, as the asset ``freshness/sources``, which lists all sources, and as the text of the tick.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from impulsum_pipelines.automation.runs import is_stopped, next_tick, queued_live_pull
from impulsum_pipelines.automation.schedules import cron
from impulsum_pipelines.base.catalog import owners, source_files, tags
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.base.humanize import humanize
from impulsum_pipelines.checks.source import freshness_check, freshness_finding
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.freshness import Freshness, assess
from impulsum_pipelines.loading.history import first_starts, recent
from impulsum_pipelines.ops.schema import alerts
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import why_off
from impulsum_pipelines.tiers import SOURCES, Source

log = logging.getLogger(__name__)

#: Seconds between two ticks, and seconds that a tick waits for a raw file that is being written.
_CHECK_EVERY, _LOCK_SECONDS = 300, 2.0

#: The priority of the alert, by level; other levels raise none.
_PRIORITIES = {"stale": "P2", "lost": "P1"}

#: The asset that shows every source.
OVERVIEW = dg.AssetKey(["freshness", "sources"])


def build_freshness() -> dg.Definitions:
    """The sensor ``freshness``, on by default, and the asset ``freshness/sources`` that it materializes."""
    spec = dg.AssetSpec(
        OVERVIEW,
        description="How fresh each source is. For a source that is not fresh: its last pull, and its next one. "
        "Written every five minutes while a source is not fresh, and when a source is fresh again.",
        deps=[freshness_check(source.name).asset_key for source in SOURCES],
        group_name="freshness",
        owners=owners("freshness"),
        tags=tags("product", "every-5-minutes"),
        metadata=source_files(Path(__file__)),
    )
    return dg.Definitions(
        assets=[spec],
        sensors=[
            dg.SensorDefinition(
                name="freshness",
                evaluation_fn=_tick,
                minimum_interval_seconds=_CHECK_EVERY,
                default_status=dg.DefaultSensorStatus.RUNNING,
                description="Checks how long ago each source was pulled and had new data. Raises an alert for a stale "
                "source, with its last pull and its next one.",
            )
        ],
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    settings, now = load_settings(), datetime.now(UTC)
    before: dict[str, str] = json.loads(context.cursor or "{}")
    found = check_freshness(settings, now)
    update_alerts(settings, found, context.instance, at=now)
    reports = [
        FreshnessReport(
            each, _last_and_next_pull(each.source, settings, context.instance, now) if each.level in _PRIORITIES else ""
        )
        for each in found
    ]
    news = [report for report in reports if report.freshness.level != "fresh" or before.get(report.name) != "fresh"]
    not_fresh = " ".join(report.text for report in reports if report.freshness.level != "fresh")
    return dg.SensorResult(
        skip_reason=not_fresh or "Every source is fresh.",
        asset_events=[*(report.evaluation(now) for report in news), *([_overview(reports)] if news else ())],
        # A source that is being loaded now keeps its last level.
        cursor=json.dumps(before | {report.name: report.freshness.level for report in reports}),
    )


@dataclass(frozen=True)
class FreshnessReport:
    """How fresh a source is, as the UI shows it.

    Args:
        freshness: how fresh it is.
        pulls: the last and the next pull, in words; empty for a fresh source.
    """

    freshness: Freshness
    pulls: str

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.freshness.source.name

    @property
    def text(self) -> str:
        """The whole report in words."""
        return f"{self.freshness.text} {self.pulls}".strip()

    def evaluation(self, now: datetime) -> dg.AssetCheckEvaluation:
        """The report as a result of the source's freshness check."""
        key, finding = freshness_check(self.name), freshness_finding(self.freshness, now)
        return dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=finding.passed,
            metadata=finding.numbers,
            severity=dg.AssetCheckSeverity.ERROR if finding.serious else dg.AssetCheckSeverity.WARN,
            description=self.text,
        )


def _overview(reports: Sequence[FreshnessReport]) -> dg.AssetMaterialization:
    """All reports in words, not as a table: the UI shows tables with very narrow columns."""
    not_fresh = sum(report.freshness.level != "fresh" for report in reports)
    texts = {report.freshness.source.title: f"{report.freshness.level.upper()}. {report.text}" for report in reports}
    return dg.AssetMaterialization(OVERVIEW, metadata={"sources that are not fresh": not_fresh, **texts})


def check_freshness(settings: Settings, now: datetime) -> list[Freshness]:
    """How fresh each source is, without sources that are off. A source that is being loaded is left to the next tick.

    Raises:
        ImpulsumError: the ops store cannot be used.
    """
    home, began = Home(settings.home, lock_seconds=_LOCK_SECONDS), first_starts(settings)
    found = []
    for source in SOURCES:
        if why_off(source.name, settings):
            continue
        try:
            with home.read_raw(source.name) as connection:
                found.append(assess(source, connection, settings, now, tried_since=began.get(source.name)))
        except ImpulsumError as error:
            log.info("the freshness of %s is checked by the next tick: %s", source.title, error.what)
    return found


def update_alerts(
    settings: Settings, found: Sequence[Freshness], instance: dg.DagsterInstance, *, at: datetime
) -> None:
    """Raise an alert for each stale source, and resolve those of sources that were pulled since, or are off.

    Raises:
        ImpulsumError: the ops store cannot be used.
    """
    from impulsum_pipelines.alerts.lifecycle import Problem, raise_alert, resolve, unresolved

    by_name = {each.source.name: each for each in found}
    problems = {
        each.source.name: Problem(
            key=_key(each.source),
            kind="freshness",
            priority=_PRIORITIES[each.level],
            title=each.text.removesuffix("."),
            detail=_detail(each.source, settings, instance, at),
        )
        for each in found
        if each.level in _PRIORITIES
    }
    with transaction(settings) as connection:
        for source in sorted(SOURCES, key=_key):
            if source.name in problems:
                raise_alert(connection, problems[source.name], at=at, settings=settings)
            elif (alert := unresolved(connection, _key(source))) is None:
                continue
            elif why := why_off(source.name, settings):
                resolve(connection, alert, by="freshness", at=at, settings=settings, note=f"the source is off: {why}")
            elif (current := by_name.get(source.name)) and _is_over(connection, alert, current, at):
                resolve(connection, alert, by="freshness", at=at, settings=settings, note=current.text)


def _is_over(connection: sa.Connection, alert: int, current: Freshness, at: datetime) -> bool:
    """Whether pulls checked the stale tables since. Outside business hours no table is stale, which proves nothing."""
    seen: datetime = connection.execute(sa.select(alerts.c.last_seen_at).where(alerts.c.id == alert)).scalar_one()
    return all(table.since > seen or at - table.since <= table.allowed for table in current.tables)


def _key(source: Source) -> str:
    return f"freshness:{source.name}"


def _detail(source: Source, settings: Settings, instance: dg.DagsterInstance, now: datetime) -> str:
    allowed = (
        f"At most {humanize(source.fresh_within)} are allowed in business hours, {humanize(source.lost_after)} at any "
        "hour."
    )
    safe = "Stored data is safe, but old."
    next_step = f"Run `impulsum doctor` to test the account; `impulsum history {source.name}` lists every pull."
    return " ".join((allowed, _last_and_next_pull(source, settings, instance, now), safe, next_step))


def _last_and_next_pull(source: Source, settings: Settings, instance: dg.DagsterInstance, now: datetime) -> str:
    return f"{_last_pull(source, settings)} {_next_pull(source, settings, instance, now)}"


def _last_pull(source: Source, settings: Settings) -> str:
    sync = next(iter(recent(settings, source=source.name, limit=1)), None)
    if sync is None:
        return f"No pull of {source.title} is recorded."
    at = f"{sync['started_at']:%Y-%m-%d %H:%M} UTC"
    if sync["status"] in {"done", "running"}:
        return f"The last pull started at {at} and is {sync['status']}."
    return f"The last pull, at {at}, ended as {sync['status']}: {sync['error'] or 'it gave no reason'}."


def _next_pull(source: Source, settings: Settings, instance: dg.DagsterInstance, now: datetime) -> str:
    from impulsum_pipelines.webhooks.health.report import is_silent

    if run := queued_live_pull(instance, source.name, now):
        return f"Run {run.run_id} is queued and will pull it."
    schedules = {f"{source.name}_live": source.cron}
    if is_silent(settings, source.name):
        schedules[f"{source.name}_fallback"] = source.fallback_cron
    active = [line for name, line in schedules.items() if not is_stopped(instance, name)]
    if not active:
        return f"No further pull is planned: the schedule {' and '.join(schedules)} is stopped."
    due = min(next_tick(cron(line, settings), settings.impulsum_timezone, now) for line in active)
    return f"The next pull is due at {due.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}."
