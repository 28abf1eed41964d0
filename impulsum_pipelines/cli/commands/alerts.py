"""``impulsum alerts``: what is wrong, who was told, and who is at it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import age, notes, plain, show_json, show_table
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, notifications
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="What is wrong, who was told, and who is at it.")

AlertId = Annotated[int, typer.Argument(metavar="ID", help="As `impulsum alerts list` shows it.")]
By = Annotated[str | None, typer.Option(help="Who; default is the user of this shell.")]
Note = Annotated[str | None, typer.Option(help="Kept in the alert's history.")]


@app.command("list")
def list_alerts(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the alerts that are not resolved, the most urgent first."""
    is_over = alerts.c.state == "resolved"
    wanted = sa.select(alerts).order_by(is_over, alerts.c.priority, alerts.c.opened_at, alerts.c.id)
    if not everything:
        wanted = wanted.where(alerts.c.state != "resolved")
    with transaction(load_settings()) as connection:
        found = [dict(row) for row in connection.execute(wanted).mappings()]
    if as_json:
        show_json(found)
        return
    show_table(
        ("id", "priority", "state", "opened (UTC)", "last seen", "times", "acknowledged by", "title"),
        [
            (
                *(alert[name] for name in ("id", "priority", "state", "opened_at")),
                age(alert["last_seen_at"]),
                *(alert[name] for name in ("occurrences", "acknowledged_by", "title")),
            )
            for alert in found
        ],
    )
    notes().print(f"{len(found)} alerts", style="dim", highlight=False)


@app.command()
def show(alert_id: AlertId, as_json: AsJson = False) -> None:
    """Show one alert: what is known, its history, and what was told where."""
    with transaction(load_settings()) as connection:
        alert = connection.execute(sa.select(alerts).where(alerts.c.id == alert_id)).mappings().first()
        if alert is None:
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"There is no alert {alert_id}",
                next_step="`impulsum alerts list --all` shows every alert.",
            )
        history = _rows(
            connection,
            sa.select(alert_changes).where(alert_changes.c.alert_id == alert_id).order_by(alert_changes.c.id),
        )
        told = _rows(
            connection,
            sa.select(
                notifications.c.what,
                notifications.c.due_at,
                notifications.c.message_id,
                sa.func.coalesce(deliveries.c.status, notifications.c.status).label("status"),
                *(deliveries.c[name] for name in ("channel", "attempts", "sent_at", "error")),
            )
            .outerjoin(deliveries, deliveries.c.message_id == notifications.c.message_id)
            .where(notifications.c.alert_id == alert_id)
            .order_by(notifications.c.id, deliveries.c.channel),
        )
    if as_json:
        show_json({**alert, "history": history, "told": told})
        return
    facts = {name: value for name, value in alert.items() if name not in {"detail", "evidence"} and value is not None}
    show_table(("alert", ""), [(name.replace("_", " "), plain(value)) for name, value in facts.items()])
    for line in (alert["detail"], *(f"{kind}: {_listed(values)}" for kind, values in alert["evidence"].items())):
        if line:
            typer.echo(line)
    _show("history", history, ("at", "change", "by", "note"))
    _show("told", told, ("what", "channel", "status", "due_at", "sent_at", "attempts", "error"))


@app.command()
def ack(alert_id: AlertId, by: By = None, note: Note = None) -> None:
    """Say that somebody is at it: it is not escalated any more."""
    from impulsum_pipelines.alerts.lifecycle import acknowledge

    with transaction(load_settings()) as connection:
        changed = acknowledge(connection, alert_id, by=by or getpass.getuser(), at=datetime.now(UTC), note=note)
    _said(f"Alert {alert_id} is acknowledged.", changed)


@app.command()
def resolve(alert_id: AlertId, by: By = None, note: Note = None) -> None:
    """Say that it is over. If it is not, it comes back, and that is told."""
    from impulsum_pipelines.alerts.lifecycle import resolve as close

    settings = load_settings()
    with transaction(settings) as connection:
        changed = close(
            connection,
            alert_id,
            by=by or getpass.getuser(),
            at=datetime.now(UTC),
            settings=settings,
            note=note,
            person=True,
        )
    _said(f"Alert {alert_id} is resolved.", changed)


@app.command()
def test(
    channel: Annotated[str | None, typer.Option(help="Only this one, by the name that is shown.")] = None,
) -> None:
    """Send a test message through every configured channel, and say of each whether it was taken."""
    from impulsum_pipelines.alerts.channels import Channels

    every = Channels.of(load_settings()).every
    if not every:
        raise ImpulsumError(
            Category.CONFIGURATION,
            "No channel is configured for alerts",
            next_step="set IMPULSUM_ALERT_CHANNELS to Apprise addresses, such as mailtos://user:password@host.",
        )
    if channel is not None and channel not in every:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"There is no channel {channel}",
            next_step=f"choose from: {', '.join(every)}.",
        )
    outcomes = [(name, _why_not(each)) for name, each in every.items() if channel in (None, name)]
    show_table(("channel", "taken", "reason"), [(name, not reason, reason) for name, reason in outcomes])
    if any(reason for _, reason in outcomes):
        raise typer.Exit(1)


def _why_not(channel: Any) -> str:
    """Why the channel did not take a test message; nothing when it did."""
    from impulsum_pipelines.alerts.channels import Sender
    from impulsum_pipelines.alerts.messages import Message
    from impulsum_pipelines.alerts.notifications import new_message_id

    message = Message(new_message_id(), "Test of Impulsum's alerts", "Alerts arrive here. Nothing is wrong.", "P3")
    try:
        Sender(channel).send(message)
    except ImpulsumError as error:
        return error.what
    return ""


def _rows(connection: sa.Connection, wanted: sa.Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(wanted).mappings()]


def _show(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if rows:
        typer.echo()
        show_table(
            [name.replace("_at", " (UTC)") for name in columns],
            [[row[name] for name in columns] for row in rows],
            title=title,
        )


def _listed(values: list[Any]) -> str:
    return ", ".join(str(value) for value in values)


def _said(done: str, changed: bool) -> None:
    notes().print(done if changed else f"{done} It was so before; nothing is changed.", highlight=False)
