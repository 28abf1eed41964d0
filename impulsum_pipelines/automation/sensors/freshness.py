"""The sensor that asks how fresh each source is, also when no pull runs any more: that is the very case to tell of.

Dagster's freshness policies show the age of a materialization and notify nobody. This tick asks
:mod:`impulsum_pipelines.loading.freshness`, raises an alert, and shows the answer in the UI: as the check of each
source, as the asset ``freshness/sources``, which lists all sources, and as the tick's own text.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import sqlalchemy as sa

from impulsum_pipelines.automation.runs import is_stopped, next_tick, waiting_to_pull
from impulsum_pipelines.automation.schedules import cron
from impulsum_pipelines.base.failing import OWNER
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

#: Seconds between two looks, and seconds that a look waits for a file that is being written.
_LOOK_EVERY, _LOCK_SECONDS = 300, 2.0

#: How urgent it is.
_PRIORITIES = {"stale": "P2", "lost": "P1"}


#: Every source side by side.
OVERVIEW = dg.AssetKey(["freshness", "sources"])


def build_freshness() -> dg.Definitions:
    """The sensor ``freshness``, on by default, and the asset ``freshness/sources`` that it materializes."""
    spec = dg.AssetSpec(
        OVERVIEW,
        description="How fresh each source is; of one that is not: what was tried last, and what will happen next. "
        "Written every five minutes while a source is not fresh, and when one is fresh again.",
        deps=[freshness_check(source.name).asset_key for source in SOURCES],
        group_name="freshness",
        owners=[OWNER],
    )
    return dg.Definitions(
        assets=[spec],
        sensors=[
            dg.SensorDefinition(
                name="freshness",
                evaluation_fn=_tick,
                minimum_interval_seconds=_LOOK_EVERY,
                default_status=dg.DefaultSensorStatus.RUNNING,
                description="Asks how long ago each source was pulled and had new data, and alerts on what is stale: "
                "what was tried last, and what will happen next.",
            )
        ],
    )


def _tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    settings, now = load_settings(), datetime.now(UTC)
    before: dict[str, str] = json.loads(context.cursor or "{}")
    found = look(settings, now)
    tell(settings, found, context.instance, at=now)
    shown = [
        Shown(one, _why_and_what_next(one.source, settings, context.instance, now) if one.level in _PRIORITIES else "")
        for one in found
    ]
    news = [one for one in shown if one.freshness.level != "fresh" or before.get(one.name) != "fresh"]
    return dg.SensorResult(
        skip_reason=" ".join(one.text for one in shown if one.freshness.level != "fresh") or "Every source is fresh.",
        asset_events=[*(one.evaluation(now) for one in news), *([_overview(shown)] if news else ())],
        # A source that is being loaded now is as it was.
        cursor=json.dumps(before | {one.name: one.freshness.level for one in shown}),
    )


@dataclass(frozen=True)
class Shown:
    """How fresh a source is, as the UI shows it.

    Args:
        freshness: how fresh.
        next_step: of a source that is not fresh, what was tried last, and what will happen next.
    """

    freshness: Freshness
    next_step: str

    @property
    def name(self) -> str:
        """Of the source."""
        return self.freshness.source.name

    @property
    def text(self) -> str:
        """All of it in words."""
        return f"{self.freshness.text} {self.next_step}".strip()

    def evaluation(self, now: datetime) -> dg.AssetCheckEvaluation:
        """As the answer of the source's check."""
        key, finding = freshness_check(self.name), freshness_finding(self.freshness, now)
        return dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=finding.passed,
            metadata=finding.numbers,
            severity=dg.AssetCheckSeverity.ERROR if finding.serious else dg.AssetCheckSeverity.WARN,
            description=self.text,
        )


def _overview(shown: Sequence[Shown]) -> dg.AssetMaterialization:
    """Each source with what is said of it, in words: a table in the UI would be as narrow as a newspaper's."""
    old = sum(one.freshness.level != "fresh" for one in shown)
    words = {one.freshness.source.title: f"{one.freshness.level.upper()}. {one.text}" for one in shown}
    return dg.AssetMaterialization(OVERVIEW, metadata={"sources that are not fresh": old, **words})


def look(settings: Settings, now: datetime) -> list[Freshness]:
    """How fresh each source is that is on. One that is being loaded is left to the next look."""
    home, began = Home(settings.home, lock_seconds=_LOCK_SECONDS), first_starts(settings)
    found = []
    for source in SOURCES:
        if why_off(source.name, settings):
            continue
        try:
            with home.read_raw(source.name) as connection:
                found.append(assess(source, connection, settings, now, tried_since=began.get(source.name)))
        except ImpulsumError as error:
            log.info("%s is looked at later: %s", source.title, error.what)
    return found


def tell(settings: Settings, found: Sequence[Freshness], instance: dg.DagsterInstance, *, at: datetime) -> None:
    """Raise an alert for each source that is stale, and end those of sources that were pulled since, or are off."""
    from impulsum_pipelines.alerts.lifecycle import Raised, raise_alert, resolve, unresolved

    by_name = {one.source.name: one for one in found}
    raised = {
        one.source.name: Raised(
            key=_key(one.source),
            kind="freshness",
            priority=_PRIORITIES[one.level],
            title=one.text.removesuffix("."),
            detail=_detail(one.source, settings, instance, at),
        )
        for one in found
        if one.level in _PRIORITIES
    }
    with transaction(settings) as connection:
        for source in sorted(SOURCES, key=_key):
            if source.name in raised:
                raise_alert(connection, raised[source.name], at=at, settings=settings)
            elif (alert := unresolved(connection, _key(source))) is None:
                continue
            elif why := why_off(source.name, settings):
                resolve(connection, alert, by="freshness", at=at, settings=settings, note=f"it is off: {why}")
            elif (one := by_name.get(source.name)) and _is_over(connection, alert, one, at):
                resolve(connection, alert, by="freshness", at=at, settings=settings, note=one.text)


def _is_over(connection: sa.Connection, alert: int, one: Freshness, at: datetime) -> bool:
    """Whether pulls checked what was stale; after hours, when nothing counts as stale, that alone says nothing."""
    seen: datetime = connection.execute(sa.select(alerts.c.last_seen_at).where(alerts.c.id == alert)).scalar_one()
    return all(table.since > seen or at - table.since <= table.allowed for table in one.tables)


def _key(source: Source) -> str:
    return f"freshness:{source.name}"


def _detail(source: Source, settings: Settings, instance: dg.DagsterInstance, now: datetime) -> str:
    allowed = (
        f"{humanize(source.fresh_within)} are allowed in business hours, {humanize(source.lost_after)} at any hour."
    )
    doctor = f"`impulsum doctor` tries the account, `impulsum history {source.name}` shows every try."
    return " ".join((allowed, _why_and_what_next(source, settings, instance, now), doctor))


def _why_and_what_next(source: Source, settings: Settings, instance: dg.DagsterInstance, now: datetime) -> str:
    return f"{_last_try(source, settings)} {_next_try(source, settings, instance, now)}"


def _last_try(source: Source, settings: Settings) -> str:
    sync = next(iter(recent(settings, source=source.name, limit=1)), None)
    if sync is None:
        return "No try of it is on record."
    at = f"{sync['started_at']:%Y-%m-%d %H:%M} UTC"
    if sync["status"] in {"done", "running"}:
        return f"The last try began at {at} and is {sync['status']}."
    return f"The last try, at {at}, ended as {sync['status']}: {sync['error'] or 'it left no reason'}."


def _next_try(source: Source, settings: Settings, instance: dg.DagsterInstance, now: datetime) -> str:
    from impulsum_pipelines.webhooks.health.report import is_silent

    if run := waiting_to_pull(instance, source.name, now):
        return f"Run {run.run_id} waits to pull it."
    schedules = {f"{source.name}_live": source.cron}
    if is_silent(settings, source.name):
        schedules[f"{source.name}_fallback"] = source.fallback_cron
    going = [line for name, line in schedules.items() if not is_stopped(instance, name)]
    if not going:
        return f"There is no next try: the schedule {' and '.join(schedules)} is stopped."
    due = min(next_tick(cron(line, settings), settings.impulsum_timezone, now) for line in going)
    return f"The next try is due at {due.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}."
