"""Every recorded body is accepted, classified and placed in an incident, and the docs show how."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, incidents
from impulsum_pipelines.webhooks.events.journal import Arrival, record_events
from impulsum_pipelines.webhooks.events.triage import PACKAGED, classify, load_rules_file
from impulsum_pipelines.webhooks.readers import vocabulary
from impulsum_pipelines_tests.places import ROOT
from impulsum_pipelines_tests.webhooks.bodies import DATA, FOLDER, RECEIVED, bodies, facts, table

PAGE = ROOT / "docs" / "triage.md"

needs_bodies = pytest.mark.skipif(
    not (FOLDER.exists() and (DATA / "slack_samples.tar.gz").exists()), reason="the bodies are not in ../shared/data"
)


def generated(part: str) -> str:
    """The text between the marks of a generated part of the docs."""
    return PAGE.read_text().split(f"<!-- {part} -->\n")[1]


def test_the_docs_list_every_fact() -> None:
    assert generated("facts").strip() == facts()


@needs_bodies
def test_the_docs_show_how_the_rules_classify_each_body() -> None:
    assert generated("events").strip() == table()


@needs_bodies
def test_every_body_is_accepted_placed_and_classified(connection: sa.Connection) -> None:
    rules = load_rules_file(PACKAGED)
    for body in bodies():
        event = body.event()
        classification = classify(event, rules)
        assert event.type != "unknown" and not event.type.startswith("unknown."), body.name
        assert set(event.facts) <= set(vocabulary()), body.name
        arrival = Arrival(event, classification, file="f", headers={}, signature="valid")
        [recorded] = record_events(connection, [arrival], committed_at=RECEIVED)
        assert recorded is not None, body.name
        assert (recorded.placement is None) is (classification.priority == "noise"), body.name
    count = connection.execute(sa.select(sa.func.count()).select_from(events)).scalar_one()
    assert count == len(bodies())
    joined = sa.select(incidents.c.id).where(incidents.c.title == "TES-41: Unit test summary").distinct()
    assert len(connection.execute(joined).all()) == 1, "a day of one issue"


@needs_bodies
def test_an_event_has_its_own_time_when_its_body_has_one() -> None:
    have_a_time = ("pull_request.", "issues.", "push", "workflow_", "deployment", "status", "dependabot_alert.")
    for body in bodies():
        event = body.event()
        if event.type.endswith((".deleted", ".transferred")) and body.source == "github":
            assert event.occurred_at == RECEIVED, body.name
        elif body.source in {"jira", "notion"} or (body.source == "github" and event.type.startswith(have_a_time)):
            assert event.occurred_at < RECEIVED, body.name
