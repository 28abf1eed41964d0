"""``impulsum alerts``: its output and its exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from impulsum_pipelines.alerts.outbox import deliver
from impulsum_pipelines.settings import Settings
from impulsum_pipelines_tests.alerts.actions import alert_of, outbox, raised, with_channels
from impulsum_pipelines_tests.alerts.sinks import PASSWORD, Mails, Webhook, refused
from impulsum_pipelines_tests.cli.test_commands import Shell

NOW = datetime.now(UTC)


@pytest.fixture
def impulsum(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_list_shows_unresolved_alerts_most_urgent_first(ops_settings: Settings, impulsum: Shell) -> None:
    for key in ("slow", "late", "slow"):
        raised(ops_settings, NOW, key=key, priority="P2")
    over = raised(ops_settings, NOW, key="gone", priority="P1")
    raised(ops_settings, NOW - timedelta(hours=3), key="down", priority="P0")
    assert impulsum("alerts", "resolve", str(over))[0] == 0
    code, out, err = impulsum("alerts", "list")
    assert code == 0 and "3 alerts" in err
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["P0", "P2", "P2"]
    assert "3 h ago" in out
    _, out, _ = impulsum("alerts", "list", "--all", "--json")
    assert [(row["key"], row["state"]) for row in json.loads(out)] == [
        ("down", "open"),
        ("slow", "open"),
        ("late", "open"),
        ("gone", "resolved"),
    ]


def test_show_prints_facts_history_and_notifications(ops_settings: Settings, impulsum: Shell, webhook: Webhook) -> None:
    there = with_channels(ops_settings, webhook.address)
    alert = raised(there, NOW, detail="Look at ABC-1.", evidence={"events": [7, 8], "links": ["https://jira/ABC-1"]})
    deliver(there)
    impulsum("alerts", "ack", str(alert), "--by", "ana", "--note", "on it")
    code, out, _ = impulsum("alerts", "show", str(alert))
    assert code == 0
    for text in ("Look at ABC-1.", "events: 7, 8", "links: https://jira/ABC-1", "on it", "json://127.0.0.1"):
        assert text in out
    _, out, _ = impulsum("alerts", "show", str(alert), "--json")
    document = json.loads(out)
    assert [change["change"] for change in document["history"]] == ["opened", "told", "acknowledged"]
    assert [(row["what"], row["status"], row["attempts"]) for row in document["told"]] == [("opened", "sent", 1)]


def test_ack_and_resolve_say_what_they_did(ops_settings: Settings, impulsum: Shell) -> None:
    alert = str(raised(ops_settings, NOW))
    assert "is acknowledged." in impulsum("alerts", "ack", alert, "--by", "ana")[2]
    assert "nothing is changed" in impulsum("alerts", "ack", alert, "--by", "ben")[2]
    assert alert_of(ops_settings, int(alert)).acknowledged_by == "ana"
    assert "is resolved." in impulsum("alerts", "resolve", alert, "--by", "ana")[2]
    assert outbox(ops_settings, int(alert)) == [("opened", "superseded")]
    code, out, err = impulsum("alerts", "ack", alert)
    assert (code, out) == (2, "") and f"Alert {alert} is resolved" in err
    for command in ("ack", "resolve", "show"):
        code, _, err = impulsum("alerts", command, "999999")
        assert code == 2 and "There is no alert 999999" in err


def test_test_says_which_channels_accept_a_message(
    impulsum: Shell, mails: Mails, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPULSUM_ALERT_CHANNELS", f"{mails.address}, {webhook.address}")
    code, out, _ = impulsum("alerts", "test")
    assert code == 0 and out.count("yes") == 2
    assert mails.titles == webhook.titles == ["Test of Impulsum's alerts"]

    monkeypatch.setenv("IMPULSUM_ESCALATION_CHANNELS", refused())
    code, out, _ = impulsum("alerts", "test")
    assert code == 1
    assert [line.split()[:-3][0] for line in out.splitlines() if " no " in line] == ["json://127.0.0.1"]
    assert "json://127.0.0.1 #2" in out and PASSWORD not in out

    code, _, _ = impulsum("alerts", "test", "--channel", "mailto://127.0.0.1")
    assert (code, len(mails.ids), len(webhook.ids)) == (0, 3, 2)


def test_test_without_a_channel_or_with_an_unknown_one_says_what_to_do(
    impulsum: Shell, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = impulsum("alerts", "test")
    assert code == 2 and "IMPULSUM_ALERT_CHANNELS" in err
    monkeypatch.setenv("IMPULSUM_ALERT_CHANNELS", webhook.address)
    code, _, err = impulsum("alerts", "test", "--channel", "pager")
    assert code == 2 and "json://127.0.0.1" in err


def test_a_wrong_address_is_refused_and_not_shown(impulsum: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_ALERT_CHANNELS", "s3cret-token-alone")
    code, out, err = impulsum("alerts", "test")
    assert code == 2 and "IMPULSUM_ALERT_CHANNELS: entry 1" in err
    assert "s3cret" not in out + err


def test_commas_within_an_address_do_not_split_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_ALERT_CHANNELS", "mailto://a.b?to=x@y.z,v@y.z,slack://t/#ops , json://h")
    addresses = [address.get_secret_value() for address in Settings().impulsum_alert_channels]
    assert addresses == ["mailto://a.b?to=x@y.z,v@y.z", "slack://t/#ops", "json://h"]
