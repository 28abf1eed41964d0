"""Alerts for the rows of ``risk.signals``: one alert per open signal, resolved when the signal is no longer open."""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import sqlalchemy as sa

from impulsum_pipelines.base.catalog import owners, source_files, tags, working_day_deadline
from impulsum_pipelines.base.failing import failure
from impulsum_pipelines.base.home import Home, connect, fetch_dicts
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.tiers import ALERT, BUILT_WITHIN

KEY = dg.AssetKey(["alerts", "risk"])
SIGNALS = dg.AssetKey(["risk", "signals"])


@dataclass(frozen=True)
class RiskAlerts:
    """The result of :func:`update_risk_alerts`.

    Args:
        is_open: number of open signals; each has an alert.
        resolved: number of alerts that were resolved, because their signal is no longer open.
    """

    is_open: int
    resolved: int


def update_risk_alerts(settings: Settings, signals: list[dict[str, Any]], *, at: datetime) -> RiskAlerts:
    """Raise an alert for every open signal, and resolve the alerts of signals that are no longer open.

    Args:
        settings: the settings.
        signals: the open rows of ``risk.signals``.
        at: now (UTC).
    """
    from impulsum_pipelines.alerts.lifecycle import Problem, raise_alert, resolve
    from impulsum_pipelines.ops.schema import alerts

    raised = {f"risk:{signal['signal_id']}": signal for signal in signals}
    with transaction(settings) as connection:
        for key, signal in sorted(raised.items()):
            alert = Problem(
                key=key,
                kind="risk",
                priority=signal["severity"],
                title=f"{signal['subject_key']}: {signal['why']}",
                detail=f"{signal['subject_name']} ({signal['project'] or signal['source']}), "
                f"score {signal['score']:.0f}, since {signal['first_seen_at']:%Y-%m-%d %H:%M} UTC.",
                evidence=orjson.loads(signal["evidence"]),
            )
            raise_alert(connection, alert, at=at, settings=settings)
        unresolved = sa.select(alerts.c.id, alerts.c.key).where(alerts.c.kind == "risk", alerts.c.state != "resolved")
        over = [row.id for row in connection.execute(unresolved.order_by(alerts.c.key)) if row.key not in raised]
        for alert_id in over:
            resolve(connection, alert_id, by="risk", at=at, settings=settings, note="the signal is no longer open")
    return RiskAlerts(len(raised), len(over))


def open_signals(home: Home) -> list[dict[str, Any]]:
    """The open rows of ``risk.signals`` in the warehouse."""
    with home.reading("warehouse"), connect(home.warehouse, read_only=True) as warehouse:
        return fetch_dicts(warehouse.execute("from risk.signals where is_open order by signal_id"))


def build_risk_alerts() -> dg.AssetsDefinition:
    """The asset ``alerts/risk``."""

    @dg.asset(
        key=KEY,
        deps=[SIGNALS],
        group_name="alerts",
        owners=owners("alerts"),
        kinds={"sql"},
        tags=tags("product", ALERT.cadence_tag),
        metadata=source_files(Path(__file__)),
        freshness_policy=working_day_deadline(BUILT_WITHIN[ALERT.name], load_settings()),
        description="Alerts in the ops store, one per signal of risk.signals. People are notified when a signal opens, "
        "gets worse, and ends.",
    )
    def risk_alerts(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        settings = load_settings()
        try:
            result = update_risk_alerts(settings, open_signals(Home.of(settings)), at=datetime.now(UTC))
        except ImpulsumError as error:
            raise failure(error, context.retry_number) from error
        return dg.MaterializeResult(metadata={"open signals": result.is_open, "alerts resolved": result.resolved})

    return risk_alerts
