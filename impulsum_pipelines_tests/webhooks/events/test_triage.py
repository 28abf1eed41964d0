"""How the default rules classify events."""

from __future__ import annotations

from typing import Any

import pytest

from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.mentions import find_mention
from impulsum_pipelines_tests.webhooks.sample_events import (
    ACTIVE_SPRINT,
    DONE,
    classification,
    event,
    github,
    issue,
    message,
    pull,
)

TOP: dict[str, Any] = {"priority": {"name": "Highest"}}
BOT = {"accountId": "557058:f58131cb", "accountType": "app", "displayName": "Automation for Jira"}


def jira(changed: dict[str, tuple[str | None, str | None]] | None = None, **fields: Any) -> Event:
    return event("jira", issue(changed=changed, **fields))


def commented(text: str, **fields: Any) -> Event:
    return event("jira", {**issue(**fields), "webhookEvent": "comment_created", "comment": {"body": text}})


def slack(text: str, **more: Any) -> Event:
    return event("slack", message(text, **more))


def monitor(text: str, name: str = "PagerDuty") -> Event:
    return slack(text, subtype="bot_message", bot_id="B1", username=name)


def deployed(state: str, environment: str) -> Event:
    return github(
        "deployment_status",
        action="created",
        deployment={"environment": environment},
        deployment_status={"state": state},
        sender={"login": "github-actions[bot]", "type": "Bot"},
    )


def ran(conclusion: str, branch: str, name: str = "tests") -> Event:
    run = {"head_branch": branch, "conclusion": conclusion, "updated_at": "2026-11-02T11:55:00Z"}
    return github("workflow_run", action="completed", workflow={"name": name}, workflow_run=run)


def alert(kind: str, severity: str, action: str = "created") -> Event:
    return github(kind, action=action, alert={"number": 3, "security_advisory": {"severity": severity}})


def labelled(label: str, state: str = "open") -> Event:
    about = {"number": 4, "title": "x", "state": state, "labels": [{"name": label}]}
    return github("issues", action="labeled", issue=about, label={"name": label})


def worklog(**more: Any) -> Event:
    payload = {"tempoWorklogId": 1, "author": {"accountId": "a"}, "updater": {"accountId": "a"}, **more}
    return event("tempo", {"eventType": "worklog.updated", "payload": payload})


def notion(kind: str, author: str = "person") -> Event:
    entity = {"id": "153104cd-477e-809d-8dc4-ff2d96ae3090", "type": "page"}
    return event("notion", {"id": "1", "type": kind, "authors": [{"id": "u", "type": author}], "entity": entity})


@pytest.mark.parametrize(
    ("happened", "priority"),
    [
        # Top priority: created, raised or reopened; not when done, and not each later change.
        (jira(**TOP), "P0"),
        (jira(priority={"name": "Blocker"}), "P0"),
        (jira(priority={"name": "P0 - Critical"}), "P0"),
        (jira({"priority": ("Low", "Critical")}, priority={"name": "Critical"}), "P0"),
        (jira({"resolution": ("Done", None), "status": ("Done", "To Do")}, **TOP), "P0"),
        (event("jira", {**issue(**TOP), "user": BOT}), "P0"),
        (event("jira", {"webhookEvent": "jira:issue_updated", "issue": issue(**TOP)["issue"]}), "P0"),
        (jira({"labels": ("", "ui")}, **TOP), "P1"),
        (commented("any news?", **TOP), "P1"),
        (jira({"status": ("To Do", "Done"), "priority": ("Low", "Highest")}, status=DONE, **TOP), "P2"),
        (jira(priority={"name": "High"}), "P2"),
        (jira(issuetype={"name": "Bug"}), "P2"),
        # Changes that do not matter.
        (jira({"Rank": ("", "Ranked higher")}, **TOP), "noise"),
        (jira({"Rank": ("", "Ranked higher"), "summary": ("a", "b")}), "P3"),
        (jira({"timespent": (None, "3600"), "WorklogId": (None, "1")}), "noise"),
        (event("jira", {**issue(changed={"labels": ("", "x")}), "user": BOT}), "noise"),
        # The active sprint.
        (jira({"status": ("To Do", "Blocked")}, status={"name": "Blocked"}, **ACTIVE_SPRINT), "P1"),
        (jira({"Flagged": (None, "Impediment")}, customfield_1=[{"value": "Impediment"}], **ACTIVE_SPRINT), "P1"),
        (jira({"Flagged": ("Impediment", None)}, **ACTIVE_SPRINT), "P3"),
        (commented("I am blocked by the bank", **ACTIVE_SPRINT), "P1"),
        (commented("not blocked any more", **ACTIVE_SPRINT), "P3"),
        (jira({"Sprint": (None, "Sprint 7")}, **ACTIVE_SPRINT), "P1"),
        (jira({"Sprint": ("Sprint 7", None)}), "P2"),
        (jira(**ACTIVE_SPRINT), "P1"),
        (jira({"status": ("To Do", "Blocked")}, status={"name": "Blocked"}), "P2"),
        (jira({"Story Points": ("3", "8")}), "P2"),
        (event("jira", {"webhookEvent": "sprint_started", "sprint": {"id": 7, "state": "active"}}), "P2"),
        # Escalations.
        (jira({"labels": ("", "escalated")}, labels=["escalated"]), "P1"),
        (jira({"summary": ("a", "b")}, labels=["escalated"]), "P3"),
        (commented("Please escalate this to the vendor"), "P1"),
        (jira(), "P3"),
        (commented("looks good"), "P3"),
        # What people write.
        (slack("Production is down since ten"), "P0"),
        (slack("PROD   DOWN!!"), "P0"),
        (slack("we have a SEV-1, join the call"), "P0"),
        (slack("There was a data breach at our side"), "P0"),
        (commented("Nobody can log in since the release"), "P0"),
        (slack("no idea why production is down"), "P0"),
        (slack("we cannot deploy because production is down"), "P0"),
        (slack("production is not down"), "P3"),
        (slack("no sign of a security breach"), "P3"),
        (slack("if production is down, call the hotline"), "P3"),
        (slack("production down resolved"), "P3"),
        (slack("postmortem: production went down on Monday"), "P1"),
        (slack("```production is down```"), "P3"),
        (slack("&gt; production is down\nfalse alarm"), "P3"),
        (slack("the production downtime report, reproduction down the line"), "P3"),
        (slack("https://status.acme.com/production down"), "P3"),
        (commented("production is down", status=DONE), "P1"),
        (slack("blocked on ABC-12"), "P1"),
        (slack("blocked on the coffee machine"), "P2"),
        (slack("lunch <!here>?"), "P2"),
        (slack("lunch?"), "P3"),
        # Programs: noise, unless they are alarms. The alerts of this pipeline must not raise new alerts.
        (monitor("Triggered: production is down"), "P0"),
        (monitor("[FIRING:1] latency"), "P1"),
        (monitor("[P0] ABC-1: production is down", name="impulsum"), "noise"),
        (slack("production is down", user="USLACKBOT"), "noise"),
        (deployed("failure", "production"), "P0"),
        (deployed("error", "prod-eu"), "P0"),
        (deployed("failure", "staging"), "P2"),
        (deployed("success", "production"), "P2"),
        (deployed("in_progress", "production"), "noise"),
        (ran("failure", "main", "Deploy to production"), "P0"),
        (ran("failure", "main"), "P1"),
        (ran("failure", "feature"), "P2"),
        (ran("success", "main"), "P3"),
        (alert("dependabot_alert", "critical"), "P0"),
        (alert("dependabot_alert", "high"), "P1"),
        (alert("dependabot_alert", "low"), "P2"),
        (alert("dependabot_alert", "critical", "fixed"), "P3"),
        (alert("secret_scanning_alert", ""), "P0"),
        (labelled("sev1"), "P0"),
        (labelled("sev1", state="closed"), "P3"),
        (labelled("blocker"), "P1"),
        (github("pull_request", action="opened", pull_request=pull(body="fixes production is down")), "P3"),
        (github("pull_request", action="review_requested", pull_request=pull()), "P2"),
        (github("pull_request", action="opened", pull_request=pull(), sender={"login": "dependabot[bot]"}), "noise"),
        (github("star", action="created"), "noise"),
        (github("repository", action="publicized"), "P1"),
        (github("installation", action="deleted"), "P1"),
        (event("slack", {"event": {"type": "tokens_revoked"}}), "P1"),
        (event("slack", {"type": "app_rate_limited"}), "P2"),
        (event("slack", {"event": {"type": "reaction_added", "user": "U1"}}), "noise"),
        (slack("joined", subtype="channel_join"), "noise"),
        # Meetings, pages, hours.
        (event("fireflies", {"event": "meeting.summarized", "meeting_id": "m"}), "P2"),
        (event("fireflies", {"event": "meeting.transcribed", "meeting_id": "m"}), "P3"),
        (notion("page.deleted"), "P2"),
        (notion("page.content_updated"), "P3"),
        (notion("page.content_updated", "bot"), "noise"),
        (worklog(), "P3"),
        (worklog(updater={"accountId": "b"}), "P2"),
        (worklog(createdAt="2026-08-01T00:00:00Z"), "P2"),
        (worklog(createdAt="2026-10-30T00:00:00Z"), "P3"),
    ],
    ids=lambda value: f"{value.type}: {value.title}"[:60] if isinstance(value, Event) else value,
)  # fmt: skip
def test_priorities(happened: Event, priority: str) -> None:
    found = classification(happened)
    assert found.priority == priority, found


def test_a_classification_names_its_rule_and_its_reason() -> None:
    found = classification(jira(**TOP))
    assert found.rule == "top priority"
    assert "priority is Highest" in found.why


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("We are blocked.", "blocked"),
        ("unblocked", None),
        ("a non-blocker", None),
        ("blocked-by: ABC-1", None),
        ("isn\u2019t blocked", None),
        ("never was blocked", None),
        ("not only blocked", "blocked"),
        ("It was not tested. Blocked now", "blocked"),
        ("blocked, not dead", "blocked"),
        ("the blocker is resolved", None),
        ("blocker was finally fixed", None),
        ("blocker, please get it fixed", "blocker"),
        ("`blocked`", None),
        ("{code:java}blocked{code} fine", None),
        ("{quote}blocked{quote} blocker", "blocker"),
        ("bq. blocked", None),
        ("> blocked\nfine", None),
        ("On Monday Ada wrote:\nblocked", None),
        ("going fast, red", None),
        ("GOING   red", "going red"),
        ("", None),
    ],
)
def test_mentions(text: str, phrase: str | None) -> None:
    assert find_mention(text, ["blocked", "blocker", "going red"]) == phrase
