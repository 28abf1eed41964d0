"""Every recorded body is accepted, classified and placed in an incident; ``docs/triage.md`` shows how."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from impulsum_pipelines.ops.schema import events, incidents
from impulsum_pipelines.webhooks.events.journal import Arrival, record_events
from impulsum_pipelines.webhooks.events.triage import PACKAGED, classify, load_rules_file
from impulsum_pipelines.webhooks.readers import vocabulary
from impulsum_pipelines_tests.webhooks.bodies import RECEIVED, bodies, has_bodies

needs_bodies = pytest.mark.skipif(not has_bodies(), reason="the bodies are not in ../shared/data")


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
