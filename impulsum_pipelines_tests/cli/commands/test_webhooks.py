"""``impulsum webhooks health``, and the line of ``impulsum status`` that points to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from impulsum_pipelines_tests.cli.test_commands import Shell
from impulsum_pipelines_tests.webhooks.health.team import RawFileTeam


@pytest.fixture
def impulsum(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_without_webhooks_it_says_so_and_status_says_nothing(impulsum: Shell) -> None:
    code, out, err = impulsum("webhooks", "health")
    assert (code, err) == (0, "")
    assert out.count("no webhooks") == 6
    assert "Webhooks of" not in impulsum("status")[2]


def test_silence_is_shown_with_what_was_missed(impulsum: Shell) -> None:
    team = RawFileTeam(datetime.now(UTC) - timedelta(hours=2))
    reported = team.edit(delivered=True)
    team.wait(1)
    team.work(6, delivered=False)
    team.deliver({"id": "ABC99", "key": "ABC-99", "updated": reported["updated"]})
    team.wait(30)
    team.pull_and_check()

    code, out, err = impulsum("webhooks", "health")
    assert code == 0
    assert "polling since" in out and "14.3 %" in out
    assert "missed ranges" in out and "events that no pull shows" in out and "ABC-99" in out
    assert "Webhooks of Jira: silent since" in err and "pulled every 5 minutes" in err

    code, out, _ = impulsum("webhooks", "health", "--days", "2", "--json")
    [jira] = [found for found in json.loads(out) if found["source"] == "jira"]
    days = jira["days"]
    assert (len(days), sum(day["told"] for day in days), sum(day["missed"] for day in days)) == (2, 1, 6)
    assert {(span["what"], span["changes"], span["status"]) for span in jira["ranges"]} == {
        ("deliveries", 6, "open"),
        ("pulls", 1, "open"),
    }
    assert [event["title"] for event in jira["unseen"]] == ["ABC-99"]

    code, _, err = impulsum("status")
    assert code == 0
    assert "Webhooks of Jira: silent since" in err and "impulsum webhooks health" in err
