"""``impulsum alerts``: what is wrong, who was notified, and who works on it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from impulsum_pipelines.cli.commands.jobs import AsJson
from impulsum_pipelines.cli.console import age, format_value, notes, show_json, show_table
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, notifications
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="What is wrong, who was notified, and who works on it.")

AlertId = Annotated[int, typer.Argument(metavar="ID", help="Id of the alert; `impulsum alerts list` shows it.")]
By = Annotated[str | None, typer.Option(help="Your name; default: the user of this shell.")]
Note = Annotated[str | None, typer.Option(help="A note for the history of the alert.")]


@app.command("list")
def list_alerts(
    everything: Annotated[bool, typer.Option("--all", help="Also list resolved alerts.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the alerts that are not resolved, most urgent first."""
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
    """Show one alert: its facts, its history, and its notifications."""
    with transaction(load_settings()) as connection:
        alert = connection.execute(sa.select(alerts).where(alerts.c.id == alert_id)).mappings().first()
        if alert is None:
            raise ImpulsumError(
                Category.CONFIGURATION,
                f"There is no alert {alert_id}",
                safe="Nothing was changed.",
                next_step="choose one that `impulsum alerts list --all` shows.",
            )
        history = _rows(
            connection,
            sa.select(alert_changes).where(alert_changes.c.alert_id == alert_id).order_by(alert_changes.c.id),
        )
        sent = _rows(
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
        show_json({**alert, "history": history, "told": sent})
        return
    facts = {name: value for name, value in alert.items() if name not in {"detail", "evidence"} and value is not None}
    show_table(("alert", ""), [(name.replace("_", " "), format_value(value)) for name, value in facts.items()])
    for line in (alert["detail"], *(f"{kind}: {_listed(values)}" for kind, values in alert["evidence"].items())):
        if line:
            typer.echo(line)
    _show("history", history, ("at", "change", "by", "note"))
    _show("notifications", sent, ("what", "channel", "status", "due_at", "sent_at", "attempts", "error"))


@app.command()
def ack(alert_id: AlertId, by: By = None, note: Note = None) -> None:
    """Say that you work on it, so that it is not escalated."""
    from impulsum_pipelines.alerts.lifecycle import acknowledge

    with transaction(load_settings()) as connection:
        changed = acknowledge(connection, alert_id, by=by or getpass.getuser(), at=datetime.now(UTC), note=note)
    _confirm(f"Alert {alert_id} is acknowledged.", changed)


@app.command()
def resolve(alert_id: AlertId, by: By = None, note: Note = None) -> None:
    """Say that the problem is over. If it is not, the alert opens again, and people are notified."""
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
    _confirm(f"Alert {alert_id} is resolved.", changed)


@app.command()
def test(
    channel: Annotated[
        str | None, typer.Option(help="Name of one channel, as this command shows it; default: all.")
    ] = None,
) -> None:
    """Send a test message to every configured channel, and show which channels accepted it."""
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
    outcomes = [(name, _send_test(each)) for name, each in every.items() if channel in (None, name)]
    show_table(("channel", "accepted", "reason"), [(name, not reason, reason) for name, reason in outcomes])
    if any(reason for _, reason in outcomes):
        raise typer.Exit(1)


def _send_test(channel: Any) -> str:
    """Send a test message; returns why the channel did not accept it, or an empty text."""
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


def _confirm(done: str, changed: bool) -> None:
    notes().print(done if changed else f"{done} It was so before; nothing is changed.", highlight=False)
