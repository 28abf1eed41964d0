"""Problems made at the source become signals with one alert each, and end with them; nothing else notifies anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.cli.runs import run_job
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.marts.velocity.warehouse import query

pytestmark = [pytest.mark.exhaustive, pytest.mark.long]

HOUR, DAY = 3_600, 86_400


def refresh(job: str = "risk") -> dict[str, dict[str, Any]]:
    """Pull and build as the alert tier does; returns the open signals by id."""
    settings = load_settings()
    run_load("jira", settings)
    assert not run_job(job, settings).failed
    open_now = query(Home.of(settings).root, "from risk.signals where is_open")
    return {signal["signal_id"]: signal for signal in open_now}


def alerts() -> dict[str, list[str]]:
    """The states of the alerts of each signal, by its id."""
    found: dict[str, list[str]] = {}
    with transaction(load_settings()) as connection:
        rows: Any = connection.execute(sa.select(schema.alerts.c.key, schema.alerts.c.state, schema.alerts.c.kind))
        for key, state, kind in rows:
            assert kind == "risk"
            found.setdefault(key.removeprefix("risk:"), []).append(state)
    return found


def notification_count() -> int:
    """How many notifications there are, sent or not."""
    with transaction(load_settings()) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(schema.notifications)).scalar_one())


def test_planted_problems_become_one_alert_each_and_end(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = sandbox(seed=3, issues=60, now="2026-11-17T12:00:00+00:00")  # a Tuesday
    for name in site.env:
        if not name.startswith("JIRA_"):
            monkeypatch.delenv(name)
    site.control("clock", freeze=True)
    project = next(iter(site.control("ids")))

    def make(**fields: Any) -> dict[str, Any]:
        return dict(site.control("create_issue", project=project, **fields))

    found = refresh("build")
    assert alerts().keys() == found.keys()
    before = notification_count()
    assert refresh().keys() == found.keys()
    assert notification_count() == before, "nothing happened, so nobody is notified"

    sprint = site.control("create_sprint", board=site.control("sprints")["sprints"][0]["board_id"], name="Grows")["id"]
    make(sprint=sprint, estimate=3)
    site.control("start_sprint", sprint=sprint)
    blocker, blocked, late, done = (make() for _ in range(4))
    site.control("transition", issue=done["key"], status="Done")
    site.control("clock", advance_seconds=DAY)
    link = site.control("add_link", source=blocker["key"], target=blocked["key"])["id"]
    site.control("edit_issue", issue=late["key"], due_date="2026-11-15")
    grown = [make(sprint=sprint, estimate=5) for _ in range(2)]
    work = site.control("add_worklog", issue=done["key"])["id"]
    site.control("clock", advance_seconds=HOUR)  # now is up to when the data reaches
    planted = {
        f"blocked:{blocked['id']}": blocked["key"],
        f"overdue:{late['id']}": late["key"],
        f"scope_growth:{sprint}": str(sprint),
        f"hours_on_closed:{done['id']}": done["key"],
    }
    found = refresh()
    assert planted.keys() <= found.keys()
    for signal, subject in planted.items():
        assert found[signal]["subject_key"] == subject and found[signal]["url"]
        assert subject in found[signal]["evidence"] and json.loads(found[signal]["evidence"])["links"]
        assert alerts()[signal] == ["open"], "one alert"
    assert {signal for signal, states in alerts().items() if "resolved" not in states} == found.keys()

    site.control("remove_link", issue=blocked["key"], link=link)
    site.control("edit_issue", issue=late["key"], due_date="2026-12-24")
    for issue in grown:
        site.control("set_sprint", issue=issue["key"])
    site.control("delete_worklog", worklog=work)
    site.control("clock", advance_seconds=HOUR)
    assert not planted.keys() & refresh().keys()
    assert [alerts()[signal] for signal in planted] == [["resolved"]] * len(planted), "and it is over"
