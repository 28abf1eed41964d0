"""Alerts of what ``risk.signals`` holds: one a signal, opened and worsened and over as the table says."""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import orjson
import sqlalchemy as sa

from impulsum_pipelines.base.failing import OWNER, failure
from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings, load_settings

KEY = dg.AssetKey(["alerts", "risk"])
SIGNALS = dg.AssetKey(["risk", "signals"])


@dataclass(frozen=True)
class Told:
    """What one look at the table did.

    Args:
        is_open: signals that are open, each of which has an alert.
        resolved: alerts whose signal is no longer open.
    """

    is_open: int
    resolved: int


def tell(settings: Settings, signals: list[Mapping[str, Any]], *, at: datetime) -> Told:
    """Raise an alert for every open signal, and end those of signals that are not open any more.

    Args:
        settings: the settings.
        signals: rows of ``risk.signals`` that are open.
        at: now.
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
            resolve(connection, alert_id, by="risk", at=at, settings=settings, note="the signal is not open any more")
    return Told(len(raised), len(over))


def open_signals(home: Home) -> list[Mapping[str, Any]]:
    """The open rows of ``risk.signals``, as they were built last."""
    with home.reading("warehouse"), connect(home.warehouse, read_only=True) as warehouse:
        result = warehouse.execute("from risk.signals where is_open order by signal_id")
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def build_risk_alerts() -> dg.AssetsDefinition:
    """The asset ``alerts/risk``."""

    @dg.asset(
        key=KEY,
        deps=[SIGNALS],
        group_name="alerts",
        owners=[OWNER],
        kinds={"sql"},
        description="One alert in the ops store a signal of risk.signals, told when it opens, worsens, and ends.",
    )
    def risk_alerts(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        settings = load_settings()
        try:
            told = tell(settings, open_signals(Home.of(settings)), at=datetime.now(UTC))
        except ImpulsumError as error:
            raise failure(error, context.retry_number) from error
        return dg.MaterializeResult(metadata={"open signals": told.is_open, "alerts resolved": told.resolved})

    return risk_alerts
